"""`make demo`, as a newcomer runs it: real processes, an embedded PostgreSQL, no Redis; and a kill."""

# ruff: noqa: S603 -- our own commands

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from django.test import Client

from gosend.demo import seed
from tests.journeys.running_demo import Running, demo, environment
from tests.material import ROOT

__all__ = ["demo"]
pytestmark = pytest.mark.journey

_MESSAGES = 12
# Messages that the killed worker can have been sending: those of one batch.
_IN_HAND = 3
_EVENTS = {f"whatsapp.message.{name}" for name in ("sent", "delivered", "read")}


def _send(running: Running, number: int) -> str:
    body = {
        "phone_number_id": running.told["phone_number_id"],
        "to": f"54911402{number + 100:05d}",
        "type": "text",
        "text": {"body": f"message {number}"},
    }
    headers = {"X-API-Key": running.told["api_key"]}
    url = f"{running.told['base_url']}/v1/messages?async=true"
    answer = requests.post(url, json=body, headers=headers, timeout=10)
    while answer.status_code == 429:
        time.sleep(0.3)
        answer = requests.post(url, json=body, headers=headers, timeout=10)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def _status(running: Running, id: str) -> str:
    url = f"{running.told['base_url']}/v1/messages/{id}"
    answer = requests.get(url, headers={"X-API-Key": running.told["api_key"]}, timeout=10)
    return str(answer.json().get("status"))


def test_the_demo_tells_its_story_and_a_killed_worker_loses_nothing(demo: Running) -> None:
    said = demo.output.read_text()
    assert said.count("received, signature verified") == 4
    assert "status read" in said
    before = len(demo.received())

    ids = []
    for number in range(_MESSAGES):
        ids.append(_send(demo, number))
        if number == _MESSAGES // 2:
            os.kill(demo.worker(), signal.SIGKILL)

    deadline = time.monotonic() + 120
    told: dict[str, list[str]] = {}
    while open_ones := [id for id in ids if set(told.get(id, [])) != _EVENTS]:
        # What was in the killed worker's hands may or may not have gone out: it is said to be unknown.
        if len(open_ones) <= _IN_HAND and {_status(demo, id) for id in open_ones} == {"unknown"}:
            break
        assert time.monotonic() < deadline, open_ones
        time.sleep(1)
        told = {}
        for event in demo.received()[before:]:
            told.setdefault(event["message"]["gosendapi"]["id"], []).append(event["event"])
    settled = [id for id in ids if id not in open_ones]
    assert {id: len(told[id]) for id in settled} == dict.fromkeys(settled, len(_EVENTS))
    assert "worker stopped (signal 9); started again" in demo.output.read_text()


def test_the_other_two_apis_send_and_see_it_read(demo: Running) -> None:
    told = demo.told
    whatomate = f"{told['base_url']}/api/contacts/{told['contact_id']}/messages"
    session = f"{told['base_url']}/api/v1/sessions/{told['session_id']}"
    jid = "5491140299999@s.whatsapp.net"  # of its own: one person gets few messages in a short time

    def ask(method: str, address: str, key: str, body: dict[str, Any] | None = None) -> Any:
        answer = requests.request(method, address, json=body, headers={"X-API-Key": told[key]}, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    first = ask("POST", whatomate, "whatomate_key", {"type": "text", "text": "Hello"})["data"]
    body = {"type": "text", "to": jid, "text": "Hello"}
    second = ask("POST", f"{session}/messages", "session_key", body)
    assert (first["status"], second["status"]) == ("sent", "sent")

    def read() -> bool:
        ours = ask("GET", whatomate, "whatomate_key")["data"]["items"]
        theirs = ask("GET", f"{session}/chats/{jid}/messages", "session_key")["data"]
        statuses = [one["status"] for one in ours if one["id"] == first["id"]]
        statuses += [one["status"] for one in theirs if one["id"] == second["messageId"]]
        return statuses == ["read", "read"]

    deadline = time.monotonic() + 60
    while not read():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_an_answer_names_our_message_and_our_own_telephone_number(demo: Running) -> None:
    told, headers = demo.told, {"X-API-Key": demo.told["api_key"]}
    url = f"{told['base_url']}/v1/phone-numbers/{told['phone_number_id']}"
    number = requests.get(url, headers=headers, timeout=10).json()
    body = {"phone_number_id": told["phone_number_id"], "to": "5491140200007", "type": "text"}
    body["text"] = {"body": "Hello"}

    sent = requests.post(f"{told['base_url']}/v1/messages", json=body, headers=headers, timeout=10).json()

    def answers() -> list[Any]:
        events = [event["message"] for event in demo.received()]
        return [event["context"] for event in events if event.get("from") == body["to"]]

    deadline = time.monotonic() + 60
    while not (found := answers()):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    digits = "".join(filter(str.isdigit, number["display_phone_number"]))
    assert found == [{"from": digits, "id": sent["wa_message_id"]}]


def test_a_taken_port_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = subprocess.run(
            [sys.executable, "manage.py", "demo", "--once", "--port", str(port)],
            cwd=ROOT,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert answer.returncode == 1
    assert f"Port {port}, wanted for the web server, is taken" in answer.stderr
    assert "make demo PORT=" in answer.stderr


@pytest.mark.django_db
def test_what_the_demo_notes_opens_all_three_apis() -> None:
    noted = seed.Demo()
    assert seed.prepare(noted)
    assert not seed.prepare(noted)

    keys = {
        "/v1/me": noted.api_key,
        f"/api/contacts/{noted.contact_id}": noted.whatomate_key,
        f"/api/v1/sessions/{noted.session_id}": noted.session_key,
    }
    for path, key in keys.items():
        for other in keys.values():
            answer = Client().get(path, headers={"X-API-Key": other})
            assert answer.status_code == (200 if other == key else 401), (path, answer.content)
