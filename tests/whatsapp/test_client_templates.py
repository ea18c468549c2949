"""The client's calls about accounts and their templates."""

import json
from typing import Any

import pytest

from gosend.sandbox import graph
from gosend.sandbox.world import MemoryWorld
from gosend.whatsapp.client import GraphClient, GraphError
from gosend.whatsapp.errors import Outcome
from gosend.whatsapp.wire import GraphRequest, GraphResponse

WABA = "200000000000001"


class Meta:
    """Answers every request alike, and keeps them."""

    def __init__(self, answer: object, status: int = 200) -> None:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.response = GraphResponse(status=status, body=body, headers={})
        self.requests: list[GraphRequest] = []

    def __call__(self, request: GraphRequest) -> GraphResponse:
        self.requests.append(request)
        return self.response


def client_of(meta: Any) -> GraphClient:
    return GraphClient(transport=meta, token="EAAsample")


def test_a_page_is_asked_for_with_its_fields_and_filters() -> None:
    meta = Meta({"data": [{"id": "1"}, "odd"], "paging": {"cursors": {"after": "MTA"}, "next": "https://…"}})

    page = client_of(meta).list_templates(waba_id=WABA, after="MQ", name="order", language="es")

    (request,) = meta.requests
    assert (request.method, request.path) == ("GET", f"/{WABA}/message_templates")
    assert {key: request.query[key] for key in ("after", "name", "language", "limit")} == {
        "after": "MQ", "name": "order", "language": "es", "limit": "50",
    }  # fmt: skip
    assert {"components", "rejected_reason", "quality_score"} <= set(request.query["fields"].split(","))
    assert (page.rows, page.after) == ([{"id": "1"}], "MTA")


@pytest.mark.parametrize(
    "paging", [None, {}, [], {"cursors": {"after": "MTA"}}, {"next": "x"}, {"next": "x", "cursors": 1}]
)
def test_without_a_next_page_there_is_no_cursor(paging: object) -> None:
    assert client_of(Meta({"data": [], "paging": paging})).list_templates(waba_id=WABA).after == ""


def test_a_template_is_submitted_as_it_is() -> None:
    meta = Meta({"id": "1", "status": "PENDING", "category": "UTILITY"})

    answer = client_of(meta).create_template(waba_id=WABA, body={"name": "ñ"})

    (request,) = meta.requests
    assert (request.method, request.path) == ("POST", f"/{WABA}/message_templates")
    assert json.loads(request.body or b"") == {"name": "ñ"}
    assert answer["status"] == "PENDING"


@pytest.mark.parametrize(
    ("template_id", "query"), [("", {"name": "order"}), ("7", {"name": "order", "hsm_id": "7"})]
)
def test_one_language_or_all_are_deleted(template_id: str, query: dict[str, str]) -> None:
    meta = Meta({"success": True})

    client_of(meta).delete_template(waba_id=WABA, name="order", template_id=template_id)

    assert (meta.requests[0].method, meta.requests[0].query) == ("DELETE", query)


@pytest.mark.parametrize("answer", [b"", b"<html>", [], {}, {"data": 1}, {"success": False}])
def test_an_answer_that_confirms_nothing_is_of_unknown_outcome(answer: object) -> None:
    client = client_of(Meta(answer))
    calls = (
        lambda: client.list_templates(waba_id=WABA),
        lambda: client.create_template(waba_id=WABA, body={}),
        lambda: client.delete_template(waba_id=WABA, name="order"),
        lambda: client.get_waba(waba_id=WABA),
    )

    for call in calls:
        with pytest.raises(GraphError) as caught:
            call()
        assert caught.value.outcome is Outcome.UNKNOWN


def test_a_refusal_keeps_its_subcode() -> None:
    meta = Meta({"error": {"code": 100, "error_subcode": 2388024, "message": "there"}}, status=400)

    with pytest.raises(GraphError) as caught:
        client_of(meta).create_template(waba_id=WABA, body={})

    assert (caught.value.subcode, caught.value.title) == (2388024, "Template exists")
    assert caught.value.outcome is Outcome.FINAL


def test_the_pretend_meta_takes_what_the_client_says() -> None:
    world = MemoryWorld()

    def pretend(request: GraphRequest) -> GraphResponse:
        response = graph.answer(request, world=world).response
        assert response is not None
        return response

    client = client_of(pretend)
    body = {"type": "BODY", "text": "Welcome."}
    definition = {"name": "order", "language": "es", "category": "UTILITY", "components": [body]}

    assert client.get_waba(waba_id=WABA)["id"] == WABA
    made = client.create_template(waba_id=WABA, body=definition)
    (row,) = client.list_templates(waba_id=WABA, name="order", language="es").rows
    assert (row["id"], row["components"]) == (made["id"], [body])
    client.delete_template(waba_id=WABA, name="order", template_id=made["id"])
    assert client.list_templates(waba_id=WABA).rows == []
