"""/v1/conversations: list, read, close."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import tenants
from accounts.models import PhoneNumber
from gosend.lib import ids
from messaging import contacts, conversations
from messaging.models import Contact, Conversation
from tests import factories
from tests.api.conftest import Call
from tests.conftest import Party

KEYS = [
    "id", "tenant_id", "customer_id", "phone_number_id", "contact_phone", "contact_user_id", "contact_name",
    "status", "window_expires_at", "is_window_open", "last_inbound_at", "last_outbound_at",
    "last_message_at", "messages_count", "started_at", "ended_at", "ended_reason", "created_at",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _in_no_hurry(settings: Settings) -> None:
    settings.API_RATE_LIMITS = {**settings.API_RATE_LIMITS, "sandbox": 1_000}


@pytest.fixture
def juan(number: PhoneNumber) -> Contact:
    return contacts.find_or_create(account=number.business_account, phone="5491140123456", name="Juan")


@pytest.fixture
def talk(number: PhoneNumber, juan: Contact) -> Conversation:
    now = timezone.now()
    conversations.extend_window(number=number, contact=juan, written_at=now)
    return conversations.touch(number=number, contact=juan, direction="inbound", at=now)[0]


def _read(response: Any) -> Any:
    return orjson.loads(response.content)


def test_a_conversation_is_read_with_all_its_fields(get: Call, acme: Party, talk: Conversation) -> None:
    answer = _read(get(f"/v1/conversations/{talk.pk}"))

    assert list(answer) == KEYS
    shown = {name: value for name, value in answer.items() if not name.endswith("_at")}
    assert shown == {
        "id": str(talk.pk),
        "tenant_id": str(acme.tenant.pk),
        "customer_id": str(acme.customer.pk),
        "phone_number_id": acme.number.phone_number_id,
        "contact_phone": "5491140123456",
        "contact_user_id": None,
        "contact_name": "Juan",
        "status": "active",
        "is_window_open": True,
        "messages_count": 1,
        "ended_reason": None,
    }
    assert (answer["last_outbound_at"], answer["ended_at"]) == (None, None)
    assert answer["last_inbound_at"] == answer["last_message_at"] == answer["started_at"]
    opened = datetime.fromisoformat(answer["started_at"])
    assert datetime.fromisoformat(answer["window_expires_at"]) == opened + timedelta(hours=24)


def test_a_conversation_that_the_business_began_has_no_window(
    get: Call, number: PhoneNumber, juan: Contact
) -> None:
    conversations.touch(number=number, contact=juan, direction="outbound", at=timezone.now())

    (answer,) = _read(get("/v1/conversations"))

    assert (answer["window_expires_at"], answer["is_window_open"]) == (None, False)


def test_closing_twice_answers_the_same(post: Call, get: Call, talk: Conversation) -> None:
    first = post(f"/v1/conversations/{talk.pk}/close")
    second = post(f"/v1/conversations/{talk.pk}/close", content_type="")

    answer = _read(first)
    assert (first.status_code, answer["status"], answer["ended_reason"]) == (200, "ended", "closed")
    assert answer["is_window_open"] is True
    assert _read(second) == answer == _read(get(f"/v1/conversations/{talk.pk}"))


def test_closing_with_a_key_is_replayed(post: Call, talk: Conversation) -> None:
    path = f"/v1/conversations/{talk.pk}/close"

    first, second = (post(path, Idempotency_Key="once") for _ in range(2))

    assert second["Idempotent-Replayed"] == "true"
    assert second.content == first.content


@pytest.mark.parametrize("name", ["1", "x", "9" * 25, "-1"])
def test_an_unknown_conversation_is_not_found(get: Call, post: Call, name: str) -> None:
    for response in (get(f"/v1/conversations/{name}"), post(f"/v1/conversations/{name}/close")):
        assert (response.status_code, _read(response)["code"]) == (404, "NOT_FOUND")


def test_another_project_or_environment_sees_nothing(
    talk: Conversation, stranger_key: str, live_key: str
) -> None:
    for other in (stranger_key, live_key):
        client = Client(headers={"X-API-Key": other})
        assert client.get("/v1/conversations").json() == []
        assert client.get(f"/v1/conversations/{talk.pk}").status_code == 404
        assert client.generic("POST", f"/v1/conversations/{talk.pk}/close").status_code == 404
    talk.refresh_from_db()
    assert talk.status == "active"


def test_the_list_is_filtered(get: Call, acme: Party, talk: Conversation) -> None:
    second = tenants.add_sandbox(tenant=acme.tenant)
    ended = factories.ConversationFactory.create(
        phone_number=second,
        contact__phone="34600111222",
        status="ended",
        customer=factories.CustomerFactory.create(tenant=acme.tenant),
    )
    for query, found in (
        ("", [ended, talk]),
        (f"phone_number_id={acme.number.phone_number_id}", [talk]),
        ("phone_number_id=1", []),
        ("status=active", [talk]),
        ("status=ended", [ended]),
        ("status=inactive", []),
        ("contact_phone=34600111222", [ended]),
        (f"customer_id={acme.customer.pk}", [talk]),
        (f"customer_id={acme.customer.pk}&status=ended", []),
        ("since=2226-01-01", []),
        ("until=2020-01-01", []),
        (f"since={datetime.now(UTC).date()}&until={datetime.now(UTC).date()}", [ended, talk]),
    ):
        response = get(f"/v1/conversations?{query}")
        assert [row["id"] for row in _read(response)] == [str(row.pk) for row in found], query
        assert response["X-Total-Count"] == str(len(found))


def test_since_and_until_count_by_created_at_inclusive(get: Call, talk: Conversation) -> None:
    made = _read(get(f"/v1/conversations/{talk.pk}"))["created_at"]
    before, after = (
        (datetime.fromisoformat(made) + timedelta(milliseconds=step)).isoformat().replace("+", "%2B")
        for step in (-1, 1)
    )

    totals = [
        get(f"/v1/conversations?{query}")["X-Total-Count"]
        for query in (f"since={made}&until={made}", f"since={after}", f"until={before}")
    ]

    assert totals == ["1", "0", "0"]


@pytest.mark.parametrize("query", ["status=open", "customer_id=x", "since=yesterday", "page=0", "cursor=x"])
def test_a_wrong_parameter_is_named(get: Call, query: str) -> None:
    answer = _read(get(f"/v1/conversations?{query}"))

    name = query.partition("=")[0]
    assert (answer["statusCode"], answer["code"], answer["details"]["field"]) == (400, "INVALID_FIELD", name)


def test_the_pages_are_linked(get: Call, number: PhoneNumber) -> None:
    rows = [factories.ConversationFactory.create(phone_number=number) for _ in range(3)]

    first = get("/v1/conversations?per_page=2")
    second = get(f"/v1/conversations?per_page=2&cursor={first['X-Next-Cursor']}")

    assert [row["id"] for row in _read(first) + _read(second)] == [str(row.pk) for row in reversed(rows)]


@pytest.mark.parametrize("count", [1, 3])
def test_reading_costs_the_same_however_many_rows(
    get: Call, number: PhoneNumber, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    rows = [factories.ConversationFactory.create(phone_number=number) for _ in range(count)]

    get("/v1/me")  # the key's first use is noted

    with django_assert_num_queries(4):  # the key, the count, the page, the windows
        get("/v1/conversations")
    with django_assert_num_queries(3):  # the key, the conversation, its window
        get(f"/v1/conversations/{rows[0].pk}")


def test_the_moment_of_an_id_is_when_it_was_made(talk: Conversation) -> None:
    assert abs(ids.moment_of(talk.pk) - timezone.now()) < timedelta(seconds=10)
