"""The guides: their commands exist, their tables are the code's, their requests work."""

import json
import re
import shlex
from typing import Any

import pytest
from django.core.management import get_commands
from django.test import Client

from accounts import keys
from accounts.models import ApiKey
from gosend.api import samples, schema
from gosend.api.whatomate import uuids
from gosend.demo import seed
from gosend.sandbox import outcomes
from tests import factories
from tests.conftest import Party
from tests.material import ROOT

GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))


def _recipients() -> str:
    rows = [("anything else", outcomes.USUAL.effect)]
    rows += [(f"`…{outcome.suffix}`", outcome.effect) for outcome in outcomes.TABLE]
    lines = "".join(f"| {ending} | {effect} |\n" for ending, effect in rows)
    return f"| `to` ends in | What happens |\n|---|---|\n{lines}"


def test_the_magic_recipients_are_those_of_the_code() -> None:
    guide = (ROOT / "docs" / "guides" / "sandbox.md").read_text()

    written = guide.split("<!-- recipients -->\n")[1].split("<!-- /recipients -->")[0]
    assert written == _recipients()


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_a_guide_names_only_commands_files_and_targets_that_exist(guide: Any) -> None:
    text = guide.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    links = re.findall(r"\]\(([^)#]+)", text)

    assert set(re.findall(r"manage\.py (\w+)", text)) <= set(get_commands())
    assert set(re.findall(r"`?make ([a-z-]+)\n", text)) <= targets
    assert [link for link in links if not (guide.parent / link).exists()] == []


@pytest.mark.django_db
def test_the_curl_lines_of_the_quickstart_work(acme: Party) -> None:
    text = (ROOT / "docs" / "guides" / "quickstart.md").read_text()
    lines = re.findall(r"```sh\n(curl .*?)```", text, re.DOTALL)

    seed.add_templates(acme.number)
    assert len(lines) == 3
    for line in lines:
        assert _do(line, acme).status_code == 201


@pytest.mark.django_db
@pytest.mark.parametrize("dialect", ["whatomate", "sessions"])
def test_the_curl_line_of_a_moving_guide_works(dialect: str, acme: Party) -> None:
    name = {"whatomate": "moving-from-whatomate", "sessions": "moving-from-a-session-gateway"}[dialect]
    text = (ROOT / "docs" / "guides" / f"{name}.md").read_text()
    (line,) = re.findall(r"```sh\n(curl .*?)```", text, re.DOTALL)
    key = keys.mint(tenant=acme.tenant, label="x", environment="test", dialect=ApiKey.Dialect(dialect))[1]
    contact = factories.ContactFactory.create(
        tenant=acme.tenant, business_account=acme.number.business_account, phone="5491140123456"
    )
    told = {
        "KEY": key,
        "CONTACT_ID": uuids.write(uuids.CONTACT, contact.pk),
        "SESSION_ID": acme.number.phone_number_id,
    }

    answer = _do(re.sub("|".join(told), lambda found: told[found[0]], line), acme)

    assert answer.status_code == 200, answer.content


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["v1.messages.send", "v1.webhooks.create", "v1.me.get", "v1.webhooks.list"])
def test_a_curl_sample_works(name: str, acme: Party) -> None:
    source = samples.of(name)[0]["source"]

    assert _do(source, acme).status_code in (200, 201)


def test_every_sample_belongs_to_an_operation_and_every_python_sample_compiles() -> None:
    operations = [one for path in schema.document("v1")["paths"].values() for one in path.values()]
    shown = {one["operationId"]: one["x-codeSamples"] for one in operations if "x-codeSamples" in one}

    assert set(shown) == set(samples.NAMES)
    for written in shown.values():
        assert [sample["label"] for sample in written] == ["cURL", "Node.js", "PHP", "Python"]
        compile(written[3]["source"], "sample", "exec")


def _do(line: str, party: Party) -> Any:
    words = shlex.split(line.replace("\\\n", " "))
    path = words[1].removeprefix("$GOSEND_URL")
    headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
    if headers.get("X-API-Key") == "$GOSEND_KEY":
        headers["X-API-Key"] = party.api_key
    body = words[words.index("-d") + 1] if "-d" in words else ""
    body = body.replace("555123456789", party.number.phone_number_id)
    assert not body or json.loads(body)
    headers.pop("Content-Type", None)
    return Client().generic(
        "POST" if body else "GET", path, body.encode(), content_type="application/json", headers=headers
    )


@pytest.mark.django_db
def test_the_dashboard_and_the_guide_name_metrics_that_exist() -> None:
    metrics = Client().get("/metrics").content.decode()
    told = set(re.findall(r"^# TYPE (\w+)", metrics, re.MULTILINE))
    dashboard = json.loads((ROOT / "docs" / "grafana" / "gosend.json").read_text())
    asked = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    asked += (ROOT / "docs" / "guides" / "watching.md").read_text()

    named = {re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"\bgosend_\w+", asked)}
    assert len(named) > 15
    assert named <= told
