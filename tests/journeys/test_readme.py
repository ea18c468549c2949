"""What the README shows works: its commands, its curl lines, its snippet."""

import re
from typing import Any

import pytest

from gosend.demo import seed
from gosend.lib import signing
from tests.journeys import printed
from tests.journeys.conftest import Client
from tests.material import ROOT

README = (ROOT / "README.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.mark.journey
@pytest.mark.django_db(transaction=True)
def test_the_curl_lines_do_what_they_say(client_of: Client) -> None:
    send, ask, remind, subscribe = [block for block in _blocks("sh") if block.startswith("curl")]
    seed.add_templates(client_of.number)

    sent = printed.curl(send, client_of)
    again = printed.curl(send, client_of)
    asked = printed.curl(ask.replace("249744948428013590", sent.json()["id"]), client_of)
    reminded = printed.curl(remind, client_of)
    subscribed = printed.curl(subscribe, client_of)

    assert (sent.status_code, asked.status_code, subscribed.status_code) == (201, 200, 201)
    assert (reminded.status_code, reminded.json()["message_type"]) == (201, "template")
    assert again.content == sent.content
    assert again.headers["Idempotent-Replayed"] == "true"
    (shown,) = _blocks("json")
    assert re.findall(r'^  "(\w+)":', shown, re.MULTILINE) == list(sent.json())
    assert subscribed.json()["secret"].startswith("whsec_")


def test_the_snippet_tells_our_signature_from_another() -> None:
    scope: dict[str, Any] = {}
    (snippet,) = _blocks("python")
    exec(snippet, scope)  # noqa: S102 -- our own README
    header = signing.gosend_signature("whsec_abc", b"{}")

    assert scope["is_ours"]("whsec_abc", b"{}", header)
    assert not scope["is_ours"]("whsec_abd", b"{}", header)


def test_every_command_it_names_exists() -> None:
    named = set(re.findall(r"`?make ([a-z]+)", README))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert named
    assert named <= targets


def test_every_page_it_links_to_exists() -> None:
    linked = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]

    assert [link for link in linked if not (ROOT / link).exists()] == []
