"""gosend/api/v1/wabas.py and phone_numbers.py"""

from typing import Any

import orjson
import pytest
from django.test import Client

from accounts.models import PhoneNumber
from tests import factories
from tests.api.conftest import Call
from tests.api.v1.test_messages import code_of
from tests.conftest import Party


def read(response: Any) -> Any:
    return orjson.loads(response.content)


def as_key(key: str) -> Client:
    return Client(headers={"X-API-Key": key})


def test_an_account_is_listed_and_read_by_our_id_and_by_metas(get: Call, number: PhoneNumber) -> None:
    account = number.business_account

    listed = get("/v1/wabas")

    (row,) = read(listed)
    assert row == {
        "id": str(account.pk),
        "customer_id": str(account.customer_id),
        "waba_id": account.waba_id,
        "business_id": None,
        "display_name": "Acme (sandbox)",
        "status": "active",
        "external_reference": None,
        "messaging_limit": None,
        "created_at": row["created_at"],
    }
    assert row["created_at"].endswith("Z")
    assert (listed["X-Total-Count"], listed["X-Page"], listed["X-Per-Page"]) == ("1", "1", "20")
    assert read(get(f"/v1/wabas/{account.pk}")) == row
    assert read(get(f"/v1/wabas/{account.waba_id}")) == row


def test_a_number_is_listed_under_its_account_and_read_by_both_ids(get: Call, number: PhoneNumber) -> None:
    waba = number.business_account
    for waba_id in (waba.pk, waba.waba_id):
        (row,) = read(get(f"/v1/wabas/{waba_id}/phone-numbers"))
        assert row == {
            "id": str(number.pk),
            "waba_id": str(waba.pk),
            "phone_number_id": number.phone_number_id,
            "display_phone_number": number.display_phone_number,
            "display_phone_number_normalized": number.display_phone_number_normalized,
            "display_name": "Acme",
            "verified_name": "Acme",
            "quality_rating": "green",
            "throughput_tier": "standard",
            "connection_type": "dedicated",
            "is_coexistence": False,
            "is_official_business_account": False,
            "inbound_processing_enabled": True,
            "calls_enabled": False,
            "status": "active",
            "created_at": row["created_at"],
        }
        assert read(get(f"/v1/phone-numbers/{number.phone_number_id}")) == row
        assert read(get(f"/v1/phone-numbers/{number.pk}")) == row


def test_our_id_wins_over_a_meta_id_that_looks_the_same(get: Call, acme: Party) -> None:
    own = acme.number.business_account
    factories.BusinessAccountFactory.create(
        tenant=acme.tenant, customer=acme.customer, is_sandbox=True, waba_id=str(own.pk)
    )

    assert read(get(f"/v1/wabas/{own.pk}"))["waba_id"] == own.waba_id


def test_test_and_live_never_mix(acme: Party, live_key: str, get: Call) -> None:
    live = factories.PhoneNumberFactory.create(
        tenant=acme.tenant,
        business_account__tenant=acme.tenant,
        business_account__customer=acme.customer,
    )
    account = live.business_account

    assert [row["waba_id"] for row in as_key(live_key).get("/v1/wabas").json()] == [account.waba_id]
    assert as_key(live_key).get(f"/v1/phone-numbers/{live.phone_number_id}").status_code == 200
    for path in (
        f"/v1/wabas/{account.pk}",
        f"/v1/wabas/{account.waba_id}/phone-numbers",
        f"/v1/phone-numbers/{live.phone_number_id}",
    ):
        assert (get(path).status_code, code_of(get(path))) == (404, "NOT_FOUND")
    assert [row["waba_id"] for row in read(get("/v1/wabas"))] == [acme.number.business_account.waba_id]


@pytest.mark.parametrize("path", ["wabas/{waba}", "wabas/{waba}/phone-numbers", "phone-numbers/{number}"])
def test_a_stranger_gets_the_same_as_for_an_unknown_id(path: str, acme: Party, stranger_key: str) -> None:
    real = {"waba": acme.number.business_account.waba_id, "number": acme.number.phone_number_id}
    unknown = {"waba": "1", "number": "1"}

    answers = []
    for ids in (real, unknown):
        response = as_key(stranger_key).get("/v1/" + path.format(**ids))
        answers.append((response.status_code, response.json() | {"request_id": ""}))

    assert answers[0] == answers[1]
    assert answers[0][0] == 404


@pytest.mark.parametrize("name", ["x", "9" * 25, "%00", "-1", "x%2Fy"])
def test_an_odd_id_is_not_found(name: str, get: Call) -> None:
    for path in (f"/v1/wabas/{name}", f"/v1/wabas/{name}/phone-numbers", f"/v1/phone-numbers/{name}"):
        assert get(path).status_code == 404


def test_lists_are_paged(acme: Party, get: Call) -> None:
    account = acme.number.business_account
    for _ in range(2):
        factories.PhoneNumberFactory.create(tenant=acme.tenant, business_account=account, is_sandbox=True)

    first = get(f"/v1/wabas/{account.pk}/phone-numbers?per_page=2")
    second = get(f"/v1/wabas/{account.pk}/phone-numbers?per_page=2&cursor={first['X-Next-Cursor']}")

    assert first["X-Total-Count"] == "3"
    assert [row["id"] for row in read(second)] == [str(acme.number.pk)]
