"""Keys, wrong addresses and wrong methods, in this dialect's envelope; ids there and back."""

import orjson
import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from accounts import keys
from gosend.api import errors
from gosend.api.whatomate import uuids
from tests.api.whatomate.conftest import Ask, mint
from tests.conftest import Party


@pytest.mark.parametrize("key", ["", "whm_your_api_key", "nonsense"])
def test_a_key_that_is_none_is_refused(key: str, db: None) -> None:
    answer = Client().get("/api/contacts", headers={"X-API-Key": key} if key else {})

    said = orjson.loads(answer.content)
    assert answer.status_code == 401
    assert list(said) == ["status", "message", "data", "code", "details", "request_id", "doc_url"]
    assert (said["status"], said["data"], said["code"]) == ("error", None, "malformed_api_key")


def test_keys_of_one_api_do_not_open_another(acme: Party) -> None:
    foreign = {
        dialect: keys.mint(tenant=acme.tenant, label="x", environment="test", dialect=dialect)[1]
        for dialect in ("native", "sessions")
    }
    for key in foreign.values():
        said = Client().get("/api/me", headers={"X-API-Key": key})
        assert said.status_code == 401
        assert orjson.loads(said.content)["code"] == "api_key_of_another_api"
        assert orjson.loads(said.content)["details"]["begins_with"] == "whm_"
    said = Client().get("/v1/me", headers={"X-API-Key": mint(acme)})
    assert (said.status_code, said.json()["code"]) == (401, "API_KEY_OF_ANOTHER_API")


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nothing", "/api/messages", "/api/contacts/"])
def test_a_wrong_address_is_told_in_the_envelope(path: str) -> None:
    answer = Client().get(path)

    assert answer.status_code == 404
    assert orjson.loads(answer.content)["status"] == "error"


def test_a_wrong_method_and_a_broken_body_are_told_in_the_envelope(ask: Ask, acme: Party) -> None:
    headers = {"X-API-Key": mint(acme)}

    wrong = Client().delete("/api/contacts", headers=headers)
    broken = Client().generic("POST", "/api/messages/template", b"{", "application/json", headers=headers)

    assert (wrong.status_code, orjson.loads(wrong.content)["code"]) == (405, "method_not_allowed")
    assert (broken.status_code, orjson.loads(broken.content)["code"]) == (400, "malformed_json")
    assert orjson.loads(broken.content)["data"] is None


@given(st.integers(min_value=0, max_value=2**63 - 1), st.sampled_from([uuids.CONTACT, uuids.MESSAGE]))
def test_an_id_is_read_as_it_was_written(number: int, kind: int) -> None:
    text = uuids.write(kind, number)

    assert uuids.read(kind, text, field="id") == number
    assert uuids.read(kind, text.upper().replace("-", ""), field="id") == number
    assert uuids.read(uuids.TEMPLATE, text, field="id") == 0
    assert text[14] == "8"
    assert text[19] in "89ab"


@given(st.uuids())
def test_a_uuid_that_nobody_gave_is_nobodys(uuid: object) -> None:
    assert uuids.read(uuids.CONTACT, str(uuid), field="id") == 0


@pytest.mark.parametrize("text", ["", "x", "1.5", "-1", "{6f2c1e3a-8c53-4a5b-9a3d-0f2f4f0c9f11}"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(errors.InvalidField):
        uuids.read(uuids.CONTACT, text, field="id")
