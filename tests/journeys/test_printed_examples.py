"""What the documented pages print works as printed: host, key and ids apart.

Every code block of the three pages is cut out and executed against a running server.
"""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.urls import Resolver404, resolve
from django.utils import timezone

from gosend.demo.receiver import Receiver
from gosend.sandbox import callbacks
from gosend.sandbox.models import PendingCallback
from messaging import ingest, throughput
from messaging.models import Message
from templates_app.models import Template
from tests.journeys import code_blocks, printed
from tests.journeys.code_blocks import Block
from tests.journeys.conftest import Client, jpeg
from tests.material import needs_material
from webhooks_app import deliver

pytestmark = [needs_material, pytest.mark.journey, pytest.mark.django_db(transaction=True)]

PRINTED_KEY = "gsk_live_..."
PRINTED_NUMBER = "555123456789"
PRINTED_MEDIA = "934567890123456"
TO = "5491140123456"
# Printed, and not ready. What works must leave this list; a test sees to it.
NOT_YET: set[str] = set()
ROUTES_NOT_YET: set[str] = set()

needs_curl = pytest.mark.skipif(not printed.has_curl(), reason="bash or curl is not installed")
needs_node = pytest.mark.skipif(not shutil.which("node"), reason="Node is not installed")
MARKS = {"script": needs_curl, "javascript": needs_node}


@pytest.fixture
def run(client_of: Client, shop: str, tmp_path: Path, receiver: Receiver) -> Callable[[Block], None]:
    scene = Scene(client_of, shop, tmp_path, receiver)
    return lambda block: getattr(scene, block.kind)(block)


def _params() -> list[Any]:
    return [
        pytest.param(block, id=block.label, marks=[MARKS[block.kind]] if block.kind in MARKS else [])
        for block in code_blocks.all_blocks()
    ]


@pytest.mark.parametrize("block", _params())
def test_a_printed_block_works(block: Block, run: Callable[[Block], None]) -> None:
    if block.label in NOT_YET:
        with pytest.raises(AssertionError):
            run(block)
        return
    run(block)


@pytest.mark.parametrize("name", code_blocks.PAGES)
def test_no_printed_code_is_left_out(name: str) -> None:
    assert code_blocks.stray_code(name) == []
    assert list(code_blocks.blocks(name))


def test_the_list_of_what_is_not_ready_names_printed_blocks() -> None:
    assert {block.label for block in code_blocks.all_blocks()} >= NOT_YET


@pytest.mark.parametrize("group", ["Messages", "WABAs", "Templates", "Conversations", "Webhooks", "Account"])
def test_a_printed_group_of_endpoints_exists(group: str) -> None:
    row = next(
        row for row in code_blocks.table("gosendapi-api-reference", "Endpoint groups") if row[0] == group
    )
    missing = [endpoint for endpoint in row[1].split(", ") if not _is_answered(endpoint)]

    assert missing == [] or group in ROUTES_NOT_YET
    assert missing or group not in ROUTES_NOT_YET, "it is ready: take it off the list"


def _is_answered(endpoint: str) -> bool:
    method, path = endpoint.split(" ")
    try:
        view = resolve(f"/v1{path.replace('{id}', '1')}").func
    except Resolver404:
        return False
    return hasattr(getattr(view, "view_class", None), method.lower())


class Scene:
    """A customer who copies what is printed, and puts in what is their own."""

    def __init__(self, client: Client, shop: str, folder: Path, receiver: Receiver) -> None:
        self.client = client
        self.shop = shop
        self.folder = folder
        self.receiver = receiver

    def own(self, text: str) -> str:
        for theirs, ours in (
            ("https://cloud.gosendapi.com", self.client.base_url),
            (PRINTED_KEY, self.client.key),
            (PRINTED_NUMBER, self.client.number.phone_number_id),
            ("https://your-cdn.com", self.shop),
        ):
            text = text.replace(theirs, ours)
        return text

    def send(self, body: dict[str, Any], status: int = 201) -> dict[str, Any]:
        answer = self.client.session.post(f"{self.client.base_url}/v1/messages", json=body, timeout=10)
        assert answer.status_code == status, answer.text
        said: dict[str, Any] = answer.json()
        return said

    def send_text(self) -> dict[str, Any]:
        number = self.client.number.phone_number_id
        return self.send({"phone_number_id": number, "to": TO, "type": "text", "text": {"body": "Hola"}})

    def bash(self, script: str) -> tuple[list[Any], list[str]]:
        (self.folder / "promo-banner.jpg").write_bytes(jpeg())
        return printed.bash(self.own(script), self.folder, RECIPIENTS=f"{TO} 5491140123457")

    def address(self, block: Block) -> None:
        assert self.client.session.get(f"{self.own(block.text)}/me", timeout=10).status_code == 200

    def shell(self, block: Block) -> None:
        number = self.client.number.phone_number_id
        text = json.dumps({"phone_number_id": number, "to": TO, "type": "text", "text": {"body": "Hola"}})
        sent = self.send_text()
        command = block.text.replace("{ ... }", text).replace("1234567890 ", f"{sent['id']} ")

        answers, statuses = self.bash(command) if shutil.which("curl") else self.imitate(command)
        again, _ = self.imitate(command)

        is_send = "-d '" in command
        assert statuses == ["201" if is_send else "200"]
        assert (answers == again) is ("Idempotency-Key" in command or not is_send)

    def imitate(self, command: str) -> tuple[list[Any], list[str]]:
        answer = printed.curl(command, self.client)
        return [answer.json()], [str(answer.status_code)]

    def script(self, block: Block) -> None:
        first, _, second = block.text.partition("# Step 2")
        uploads, statuses = self.bash(first)
        assert statuses[0] in ("200", "201"), uploads
        assert list(uploads[0]) == ["id"]

        answers, statuses = self.bash("# " + second.replace(PRINTED_MEDIA, uploads[0]["id"]))

        assert statuses == ["201", "201"], answers
        assert [answer["to_phone"] for answer in answers] == [TO, "5491140123457"]
        assert {answer["message_type"] for answer in answers} == {"image"}

    def headers(self, block: Block) -> None:
        self.send_text()
        answer = self.client.session.get(
            f"{self.client.base_url}/v1/messages", params={"page": 2, "per_page": 50}, timeout=10
        )

        expected = dict(line.split(": ") for line in block.text.splitlines())
        expected["X-Total-Count"] = "1"
        assert {name: answer.headers[name] for name in expected} == expected

    def request(self, block: Block) -> None:
        sent = self.send_text()
        path = self.own(block.text).removeprefix("GET ").replace("2026-05-01", "2020-05-01")

        answer = self.client.session.get(f"{self.client.base_url}{path}", timeout=10)

        assert answer.status_code == 200
        assert [row["id"] for row in answer.json()] == [sent["id"]]

    def body(self, block: Block) -> None:
        number = self.client.number.phone_number_id
        inside = json.loads(self.own(block.text))
        kind = inside.get("type") or next(iter(inside))
        if kind == "template":
            self.approve(inside["template"])

        sent = self.send({"phone_number_id": number, "to": TO, "type": kind} | inside)

        assert sent["message_type"] == kind
        kept = Message.objects.get(pk=sent["id"])
        assert kept.wamid == sent["wa_message_id"]

    def approve(self, template: dict[str, Any]) -> None:
        """Have the template that a block sends, with as many places as it fills."""
        components = []
        for component in template["components"]:
            places = len(component["parameters"])
            text = "Hola " + ", ".join(f"{{{{{n}}}}}" for n in range(1, places + 1)) + "."
            components.append(
                {
                    "header": {"type": "HEADER", "format": "IMAGE"},
                    "body": {"type": "BODY", "text": text},
                    "button": {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Sí"}]},
                }[component["type"]]
            )
        number = self.client.number
        Template.objects.create(
            tenant=number.tenant,
            business_account=number.business_account,
            name=template["name"],
            language=template["language"]["code"],
            category="UTILITY",
            status="APPROVED",
            components=components,
        )

    def answer(self, block: Block) -> None:
        sent = self.send_text()

        assert _shape(sent) == _shape(block.data)
        same = {"direction", "message_type", "status", "to_phone"}
        assert {key: sent[key] for key in same} == {key: block.data[key] for key in same}
        assert re.fullmatch(r"\d+", sent["id"])
        assert sent["wa_message_id"].startswith("wamid.")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", sent["created_at"])

    def problem(self, block: Block) -> None:
        number = self.client.number.phone_number_id
        if block.data["statusCode"] == 429:
            self.overloads(block)
            return
        bad = {"phone_number_id": number, "to": f"+{TO}", "type": "text", "text": {"body": "Hola"}}
        said = self.send(bad, status=block.data["statusCode"])

        assert said["error"] == block.data["error"]
        assert _shape(said).items() >= _shape(block.data).items()

    def overloads(self, block: Block) -> None:
        """One send more than the number's 80 a second: another process spends whatever there is."""
        number = self.client.number
        text = {"phone_number_id": number.phone_number_id, "to": TO, "type": "text", "text": {"body": "Hola"}}
        stop = threading.Event()

        def spend() -> None:
            while not stop.wait(0.001):
                throughput.take(number=number, most=80)
            connection.close()

        busy = threading.Thread(target=spend)
        busy.start()
        try:
            answers = (
                self.client.session.post(f"{self.client.base_url}/v1/messages", json=text, timeout=10)
                for _ in range(30)
            )
            refused = next(answer for answer in answers if answer.status_code != 201)
        finally:
            stop.set()
            busy.join()

        said = refused.json()
        printed_body = json.loads(self.own(block.text))
        assert {key: said[key] for key in printed_body} == printed_body
        assert refused.headers["Retry-After"] == str(printed_body["retry_after_seconds"])

    def event(self, block: Block) -> None:
        self.subscribe(block.data["event"])
        number = self.client.number
        message = block.data["message"]
        payload = callbacks.inbound_text(
            waba_id=number.business_account.waba_id,
            phone_number_id=number.phone_number_id,
            display_phone_number=number.display_phone_number_normalized,
            from_phone=message["from"],
            body=message["text"]["body"],
            name="Juan",
        )
        callbacks.schedule(payload=payload)
        self.meta_speaks()

        told = json.loads(self.receiver.received[-1]["body"])
        assert _shape(told, of=block.data) == _shape(block.data)
        assert told["message"]["gosendapi"].items() >= message["gosendapi"].items()
        assert told["message"]["text"] == message["text"]

    def subscribe(self, event: str) -> None:
        body = {
            "url": f"http://127.0.0.1:{self.receiver.server_port}/hook",
            "events": [event],
            "phone_number_id": self.client.number.phone_number_id,
            "type": "gosendapi_events",
        }
        answer = self.client.session.post(f"{self.client.base_url}/v1/webhooks", json=body, timeout=10)
        assert answer.status_code == 201, answer.text

    def meta_speaks(self) -> None:
        PendingCallback.objects.update(due_at=timezone.now())
        while callbacks.post_due():
            pass
        ingest.handle_due()
        deliver.run()

    def phones(self, block: Block) -> None:
        number = self.client.number.phone_number_id
        lines = block.text.splitlines()
        for line in lines:
            to = json.loads(line.split(" ", 1)[1])
            body = {"phone_number_id": number, "to": to, "type": "text", "text": {"body": "Hola"}}
            said = self.send(body, status=201 if line is lines[0] else 400)
            assert line is lines[0] or said["code"] == "INVALID_PHONE_NUMBER"

    def javascript(self, block: Block) -> None:
        number = self.client.number.phone_number_id
        body = {"phone_number_id": number, "to": TO, "type": "text", "text": {"body": "Hola"}}
        payloads = [body | {"idempotencyKey": "order-1"}] * 2 + [body | {"to": "+1", "idempotencyKey": "2"}]
        program = f"""
            class PermanentError extends Error {{}}
            class RetryableError extends Error {{}}
            {self.own(block.text)}
            for (const payload of {json.dumps(payloads)}) {{
              try {{ console.log(JSON.stringify(await sendMessage(payload))); }}
              catch (error) {{ console.log(JSON.stringify(error.constructor.name + ": " + error.message)); }}
            }}
        """
        done = subprocess.run(
            ["node", "--input-type=module", "-"],  # noqa: S607
            input=program,
            env={"GOSENDAPI_KEY": self.client.key, "PATH": "/usr/local/bin:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr

        first, again, refused = (json.loads(line) for line in done.stdout.splitlines())
        assert first["status"] == "sent"
        assert again == first
        assert refused.startswith("PermanentError: ")
        assert Message.objects.count() == 1


def _shape(value: Any, *, of: Any = None) -> Any:
    """The keys and the kinds of their values; with `of`, only the keys that it has."""
    if not isinstance(value, dict):
        return type(value)
    keys = value if of is None else of
    return {key: _shape(value[key], of=None if of is None else of[key]) for key in keys if key in value}


def test_shapes_that_differ_are_told_apart() -> None:
    assert _shape({"a": 1}) != _shape({"a": "1"})
    assert _shape({"a": {"b": 1}}) != _shape({"a": {}})
