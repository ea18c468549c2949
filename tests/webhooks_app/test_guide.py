"""docs/webhooks.md: its tables and samples are true, and its snippets verify a real delivery of ours."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from accounts.models import PhoneNumber, Tenant
from tests.webhooks_app import receiver as receivers
from tests.webhooks_app.conftest import Publish
from webhooks_app import deliver, endpoints, events, retries, samples, secrets

PAGE = (Path(__file__).parents[2] / "docs/webhooks.md").read_text()
SECONDS = {"at once": 0, "5 s": 5, "1 min": 60, "5 min": 300, "30 min": 1800}
SECONDS |= {f"{hours} h": hours * 3600 for hours in (2, 5, 10)}

_PYTHON = """
import json, sys
from snippet import is_genuine, is_genuine_simple
case = json.load(open("case.json"))
body = open("body.json", "rb").read()
given = case["secret"], case["headers"], body
print(json.dumps([is_genuine(*given), is_genuine_simple(*given)]))
"""
_NODE = """
import { readFileSync } from "node:fs";
import { isGenuine, isGenuineSimple } from "./snippet.mjs";
const { secret, headers } = JSON.parse(readFileSync("case.json"));
const body = readFileSync("body.json");
console.log(JSON.stringify([isGenuine(secret, headers, body), isGenuineSimple(secret, headers, body)]));
"""
_PHP = """<?php
require 'snippet.php';
$case = json_decode(file_get_contents('case.json'), true);
$given = [$case['secret'], $case['headers'], file_get_contents('body.json')];
echo json_encode([is_genuine(...$given), is_genuine_simple(...$given)]);
"""
_GO = """package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	var given struct {
		Secret  string
		Headers map[string]string
	}
	text, _ := os.ReadFile("case.json")
	json.Unmarshal(text, &given)
	body, _ := os.ReadFile("body.json")
	fmt.Printf("[%t, %t]", IsGenuine(given.Secret, given.Headers, body),
		IsGenuineSimple(given.Secret, given.Headers, body))
}
"""


@dataclass(frozen=True)
class Language:
    """How a snippet of the page is run: its own file, and one that calls it."""

    program: str
    snippet: str
    caller: str
    code: str
    command: tuple[str, ...]


LANGUAGES = {
    "python": Language(sys.executable, "snippet.py", "call.py", _PYTHON, ("call.py",)),
    "javascript": Language("node", "snippet.mjs", "call.mjs", _NODE, ("call.mjs",)),
    "php": Language("php", "snippet.php", "call.php", _PHP, ("call.php",)),
    "go": Language("go", "snippet.go", "call.go", _GO, ("run", "snippet.go", "call.go")),
}


@dataclass(frozen=True)
class Case:
    secret: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Delivered:
    """One delivery made while a rotation overlaps, with both secrets."""

    case: Case
    old_secret: str


@pytest.fixture
def delivered(acme: Tenant, number: PhoneNumber, receiver: receivers.Receiver, publish: Publish) -> Delivered:
    endpoint, old = endpoints.add(tenant=acme, number=number, url=receiver.url(), events=["*"])
    new = secrets.rotate(endpoint=endpoint)
    publish(number, {"message": {"text": {"body": "¿Confirmás? 👋 \u2028"}}})
    deliver.run()
    request = receiver.received[0]
    return Delivered(Case(new, request.headers, request.body), old)


def _block(language: str, *, under: str = "## Check the signature") -> str:
    [block] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.partition(under)[2], re.DOTALL | re.MULTILINE)
    return str(block)


def _table(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without its head."""
    lines = PAGE.partition(f"\n{heading}\n")[2].splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows[2:]


def _write(folder: Path, case: Case) -> None:
    (folder / "case.json").write_text(json.dumps({"secret": case.secret, "headers": case.headers}))
    (folder / "body.json").write_bytes(case.body)


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str, Case], list[bool]]:
    def act(name: str, case: Case) -> list[bool]:
        language = LANGUAGES[name]
        program = shutil.which(language.program)
        if program is None:
            pytest.skip(f"{language.program} is not installed here")
        _write(tmp_path, case)
        (tmp_path / language.snippet).write_text(_block(name))
        (tmp_path / language.caller).write_text(language.code)
        done = subprocess.run(  # noqa: S603 -- our own page
            [program, *language.command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        answer: list[bool] = json.loads(done.stdout)
        return answer

    return act


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_snippet_knows_our_delivery_from_any_other(
    run: Callable[[str, Case], list[bool]], delivered: Delivered, language: str
) -> None:
    genuine = delivered.case
    headers = genuine.headers
    late = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 301)}
    garbled = {**headers, "webhook-signature": "v1, é", "x-gosendapi-signature": "é"}

    assert run(language, genuine) == [True, True]
    # Until the overlap ends; the other header is made with the new secret alone.
    assert run(language, replace(genuine, secret=delivered.old_secret)) == [True, False]
    assert run(language, replace(genuine, body=genuine.body + b" ")) == [False, False]
    assert run(language, replace(genuine, secret="whsec_AAAA")) == [False, False]
    assert run(language, replace(genuine, headers=late)) == [False, True]
    assert run(language, replace(genuine, headers={})) == [False, False]
    assert run(language, replace(genuine, headers=garbled)) == [False, False]


def test_the_openssl_snippet_knows_our_delivery_from_any_other(tmp_path: Path, delivered: Delivered) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed here")

    def verify(case: Case) -> str:
        _write(tmp_path, case)
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "SECRET": case.secret,
            "WEBHOOK_ID": case.headers["webhook-id"],
            "WEBHOOK_TIMESTAMP": case.headers["webhook-timestamp"],
            "WEBHOOK_SIGNATURE": case.headers["webhook-signature"],
            "GOSENDAPI_SIGNATURE": case.headers["x-gosendapi-signature"],
        }
        done = subprocess.run(  # noqa: S603 -- our own page
            ["bash", "-c", _block("bash")],  # noqa: S607
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        return done.stdout

    both = "webhook-signature: genuine\nx-gosendapi-signature: genuine\n"
    assert verify(delivered.case) == both
    assert verify(replace(delivered.case, secret=delivered.old_secret)) == "webhook-signature: genuine\n"
    assert verify(replace(delivered.case, body=delivered.case.body + b" ")) == ""


def test_the_table_of_events_is_the_catalogue() -> None:
    listed = {row[0].strip("`"): row[1] for row in _table("## Events")}

    expected = {events.wire_name(type): scope.value for type, scope in events.CATALOG.items()}
    assert listed == {**expected, events.TEST: "any"}


def test_every_event_is_shown_with_its_sample() -> None:
    shown = re.findall(r"^### Sample: (\S+)\n\n```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)

    assert {name: json.loads(text) for name, text in shown} == {
        events.wire_name(type): samples.body(type) for type in samples.SAMPLES
    }


def test_the_retry_schedules_are_the_real_ones() -> None:
    rows = _table("## Answer, and be ready for repeats")

    for cells in rows:
        name = cells[0].partition("`")[2].partition("`")[0]
        assert tuple(SECONDS[cell] for cell in cells[1:] if cell) == retries.SCHEDULES[name]
    # The session gateway's stands in that API's guide.
    assert len(rows) == len(retries.SCHEDULES.keys() - {"doubling"})


def test_the_table_of_headers_is_what_is_posted(delivered: Delivered) -> None:
    listed = {row[0].strip("`").lower() for row in _table("## Check the signature")}

    ours = {name for name in delivered.case.headers if name.startswith(("x-gosendapi-", "webhook-"))}
    assert listed == ours
