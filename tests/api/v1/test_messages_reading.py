"""GET of /v1/messages, one and many."""

import re
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from messaging.models import Message
from tests.api.conftest import Call
from tests.api.v1.test_messages import SENT_KEYS, code_of


def test_a_message_is_read_by_our_id_and_by_metas(post: Call, get: Call, body: dict[str, Any]) -> None:
    sent = orjson.loads(post("/v1/messages", body).content)

    by_id = orjson.loads(get(f"/v1/messages/{sent['id']}").content)
    by_wamid = orjson.loads(get(f"/v1/messages/{sent['wa_message_id']}").content)

    assert by_id == by_wamid
    assert list(by_id) == [
        *SENT_KEYS, "from_phone", "to_user_id", "from_user_id", "conversation_id", "customer_id", "content",
        "error", "pricing", "sent_at", "delivered_at", "read_at", "failed_at", "updated_at",
        "attempts", "timeline",
    ]  # fmt: skip
    assert {name: by_id[name] for name in SENT_KEYS} == sent
    assert by_id["content"] == {"type": "text", "text": {"body": "Hola Juan"}}


@pytest.mark.parametrize("slash", ["/", "%2F"])
def test_a_wamid_with_a_slash_is_found(post: Call, get: Call, body: dict[str, Any], slash: str) -> None:
    sent = orjson.loads(post("/v1/messages", body).content)
    Message.objects.filter(pk=sent["id"]).update(wamid="wamid.HB/gN+T==")

    response = get(f"/v1/messages/wamid.HB{slash}gN+T==")

    assert response.status_code == 200
    assert orjson.loads(response.content)["id"] == sent["id"]


@pytest.mark.parametrize("name", ["1", "wamid.unknown", "9" * 25, "%00", "x%2Fy", "-1"])
def test_an_unknown_message_is_not_found(get: Call, name: str) -> None:
    response = get(f"/v1/messages/{name}")

    assert (response.status_code, code_of(response)) == (404, "NOT_FOUND")


def test_a_message_of_another_project_or_environment_is_not_found(
    post: Call, body: dict[str, Any], stranger_key: str, live_key: str
) -> None:
    sent = orjson.loads(post("/v1/messages", body).content)

    for other in (stranger_key, live_key):
        client = Client(headers={"X-API-Key": other})
        assert client.get(f"/v1/messages/{sent['id']}").status_code == 404
        assert client.get("/v1/messages").json() == []


def test_the_list_is_newest_first_with_totals_and_links(post: Call, get: Call, body: dict[str, Any]) -> None:
    ids = [orjson.loads(post("/v1/messages", body).content)["id"] for _ in range(3)]

    response = get("/v1/messages?per_page=2")

    assert [row["id"] for row in orjson.loads(response.content)] == [ids[2], ids[1]]
    assert (response["X-Total-Count"], response["X-Page"], response["X-Per-Page"]) == ("3", "1", "2")
    following = re.findall(r'<http://testserver([^>]+)>; rel="next"', response["Link"])
    assert following == [f"/v1/messages?per_page=2&cursor={response['X-Next-Cursor']}"]
    assert [row["id"] for row in orjson.loads(get(following[0]).content)] == [ids[0]]
    assert [row["id"] for row in orjson.loads(get("/v1/messages?page=2&per_page=2").content)] == [ids[0]]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("direction=outbound", 1),
        ("direction=inbound", 0),
        ("status=sent", 1),
        ("status=read", 0),
        ("since=2026-05-01", 1),
        ("since=2226-05-01", 0),
        ("until=2226-05-01T10:00:00Z", 1),
        ("until=2020-05-01T10:00:00+02:00", 0),
        ("since=2020-05-01T10:00:00%2B23:07", 1),
        ("phone_number_id=1", 0),
    ],
)
def test_the_list_is_filtered(post: Call, get: Call, body: dict[str, Any], query: str, count: int) -> None:
    post("/v1/messages", body)

    response = get(f"/v1/messages?{query}")

    assert len(orjson.loads(response.content)) == count


def test_until_a_date_includes_the_whole_day(post: Call, get: Call, body: dict[str, Any]) -> None:
    post("/v1/messages", body)
    day = Message.objects.get().created_at.date()

    assert get(f"/v1/messages?since={day}&until={day}")["X-Total-Count"] == "1"
    assert get(f"/v1/messages?until={day - timedelta(days=1)}")["X-Total-Count"] == "0"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=x", "page"),
        ("page=99999999", "page"),
        ("per_page=-1", "per_page"),
        ("per_page=", "per_page"),
        ("direction=sideways", "direction"),
        ("status=lost", "status"),
        ("since=yesterday", "since"),
        ("until=2026-02-31", "until"),
        ("cursor=nonsense", "cursor"),
        ("cursor=%C3%A9", "cursor"),
        ("phone_number_id=%00", "phone_number_id"),
    ],
)
def test_a_wrong_parameter_is_named(get: Call, query: str, field: str) -> None:
    response = get(f"/v1/messages?{query}")

    answer = orjson.loads(response.content)
    assert (response.status_code, answer["code"], answer["details"]["field"]) == (400, "INVALID_FIELD", field)


def test_per_page_is_clamped(get: Call) -> None:
    assert get("/v1/messages?per_page=5000")["X-Per-Page"] == "100"


@pytest.mark.parametrize("count", [1, 3])
def test_reading_costs_the_same_however_many_rows(
    post: Call,
    get: Call,
    body: dict[str, Any],
    count: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    sent = [orjson.loads(post("/v1/messages", body).content)["id"] for _ in range(count)]

    with django_assert_num_queries(3):  # the key, the message, what Meta said of it
        get(f"/v1/messages/{sent[0]}")
    with django_assert_num_queries(4):  # the key, its numbers, the total, the page
        get("/v1/messages")
