"""The sandbox keeps templates as Meta does, and reviews them by their names."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from gosend.sandbox import graph, templates
from gosend.sandbox.shelf import Held, MemoryShelf, RowShelf, Shelf
from gosend.sandbox.world import Line, MemoryWorld
from gosend.whatsapp.wire import GraphRequest

WABA = "200000000000001"
PATH = f"/{WABA}/message_templates"
LINE = Line(WABA, "106540352242922", "15550783881")
BODY = {"type": "BODY", "text": "Welcome to the shop."}
DEFINITION = {"name": "welcome", "language": "en_US", "category": "UTILITY", "components": [BODY]}

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld((LINE,))


@pytest.fixture
def ask(world: MemoryWorld) -> Ask:
    def _ask(method: str, body: Any = None, *, path: str = PATH, **query: str) -> tuple[int, Any]:
        raw = None if body is None else json.dumps(body).encode()
        reply = graph.answer(GraphRequest(method, path, "EAA", query=query, body=raw), world=world)
        assert reply.response is not None
        return reply.response.status, json.loads(reply.response.body)

    return _ask


def held(name: str = "welcome", language: str = "en_US") -> Held:
    return Held(name, language, "UTILITY", "POSITIONAL", [BODY])


@pytest.mark.parametrize(
    ("name", "statuses", "events"),
    [
        ("welcome", ["PENDING", "APPROVED", "APPROVED"], [(2.0, "APPROVED", "NONE")]),
        ("a_reject_b", ["PENDING", "REJECTED", "REJECTED"], [(2.0, "REJECTED", "INVALID_FORMAT")]),
        (
            "a_pause",
            ["PENDING", "APPROVED", "PAUSED"],
            [(2.0, "APPROVED", "NONE"), (4.0, "PAUSED", "NONE")],
        ),
        ("a_pending", ["PENDING"] * 3, []),
        ("a_lost", ["PENDING", "APPROVED", "APPROVED"], [(2.0, "APPROVED", "NONE")]),
    ],
)
def test_the_name_decides_what_the_review_says(
    name: str, statuses: list[str], events: list[tuple[float, str, str]]
) -> None:
    made, callbacks = templates.create(DEFINITION | {"name": name}, shelf=MemoryShelf(), waba_id=WABA)

    assert [templates.status_of(made, now=made.created_at + age) for age in (1.9, 2.0, 4.0)] == statuses
    told = []
    for callback in callbacks:
        (entry,) = callback.payload["entry"]
        value = entry["changes"][0]["value"]
        assert (entry["id"], value["message_template_id"]) == (WABA, int(made.template_id))
        assert (value["message_template_name"], value["message_template_language"]) == (name, "en-US")
        told.append((callback.delay_seconds, value["event"], value["reason"]))
    assert told == events


def test_every_magic_name_is_in_the_table() -> None:
    assert all(key in (templates.__doc__ or "") for key in templates.TABLE)


def test_a_created_template_is_listed_with_the_fields_asked_for(ask: Ask) -> None:
    status, made = ask("POST", DEFINITION)

    assert (status, made) == (200, {"id": made["id"], "status": "PENDING", "category": "UTILITY"})
    _, listed = ask("GET", fields="name,status")
    assert listed["data"] == [{"name": "welcome", "status": "PENDING", "id": made["id"]}]
    assert "next" not in listed["paging"]


def test_the_list_goes_on_from_its_cursor(ask: Ask, world: MemoryWorld) -> None:
    shelf = world.shelf(WABA)
    assert shelf is not None
    for index in range(5):
        shelf.put(held(f"t{index}"))

    names: list[str] = []
    query = {"limit": "2"}
    while True:
        _, page = ask("GET", **query)
        names += [row["name"] for row in page["data"]]
        if "next" not in page["paging"]:
            break
        query["after"] = page["paging"]["cursors"]["after"]

    assert names == ["t0", "t1", "t2", "t3", "t4"]


def test_a_cursor_whose_template_is_gone_has_expired(ask: Ask, world: MemoryWorld) -> None:
    shelf = world.shelf(WABA)
    assert shelf is not None
    first = held("t0")
    shelf.put(first)
    shelf.put(held("t1"))
    _, page = ask("GET", limit="1")
    shelf.remove(first)

    for cursor in (page["paging"]["cursors"]["after"], "nonsense", "ñ"):
        status, answer = ask("GET", after=cursor)
        assert (status, answer["error"]["code"]) == (400, 131059)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"name": "a"}, ["a"]),
        ({"language": "es"}, ["b"]),
        ({"status": "APPROVED"}, []),
        ({"limit": "x"}, ["a", "b"]),
    ],
)
def test_the_list_is_filtered(query: dict[str, str], names: list[str], ask: Ask, world: MemoryWorld) -> None:
    shelf = world.shelf(WABA)
    assert shelf is not None
    shelf.put(held("a"))
    shelf.put(held("b", "es"))

    _, page = ask("GET", **query)

    assert [row["name"] for row in page["data"]] == names


@pytest.mark.parametrize(
    ("method", "body", "query", "code", "subcode"),
    [
        ("POST", DEFINITION, {}, 100, 2388024),
        ("POST", DEFINITION | {"name": "Bad!"}, {}, 100, None),
        ("POST", [1], {}, 100, None),
        ("GET", None, {"fields": "shoe_size"}, 100, None),
        ("DELETE", None, {"name": "unknown"}, 100, 2593002),
        ("DELETE", None, {}, 100, None),
        ("PUT", None, {}, 100, 33),
    ],
)
def test_what_meta_refuses(
    method: str, body: Any, query: dict[str, str], code: int, subcode: int | None, ask: Ask
) -> None:
    ask("POST", DEFINITION)

    status, answer = ask(method, body, **query)

    assert (status, answer["error"]["code"], answer["error"].get("error_subcode")) == (400, code, subcode)


def test_deleting_takes_one_language_or_all(ask: Ask) -> None:
    made = [ask("POST", DEFINITION | {"language": language})[1]["id"] for language in ("en", "es", "pt_BR")]

    assert ask("DELETE", name="welcome", hsm_id=made[0]) == (200, {"success": True})
    assert [row["language"] for row in ask("GET")[1]["data"]] == ["es", "pt_BR"]
    assert ask("DELETE", name="welcome") == (200, {"success": True})
    assert ask("GET")[1] == {"data": []}


def test_an_account_answers_its_fields_and_a_number_its_own(ask: Ask) -> None:
    assert ask("GET", path=f"/{WABA}", fields="id,name") == (200, {"id": WABA, "name": "Sandbox"})
    assert ask("GET", path=f"/{LINE.phone_number_id}", fields="status")[1]["status"] == "CONNECTED"
    assert ask("GET", path="/300000000000001/message_templates")[1]["error"]["error_subcode"] == 33


def test_a_server_without_lines_has_an_account_for_every_id() -> None:
    world = MemoryWorld()
    first, second = world.shelf("12345"), world.shelf("23456")
    assert first is not None
    assert second is not None
    first.put(held())

    assert (len(first.all()), second.all(), world.shelf("1234")) == (1, [], None)
    world.forget()
    again = world.shelf("12345")
    assert again is not None
    assert again.all() == []


@pytest.mark.django_db
@pytest.mark.parametrize("make", [MemoryShelf, lambda: RowShelf(WABA)], ids=["memory", "rows"])
def test_a_shelf_keeps_one_of_each_name_and_language(make: Callable[[], Shelf]) -> None:
    shelf = make()
    first, double, other = held(), held(), held(language="es")

    assert [shelf.put(item) for item in (first, double, other)] == [True, False, True]
    assert [(item.template_id, item.components) for item in shelf.all()] == [
        (first.template_id, [BODY]),
        (other.template_id, [BODY]),
    ]
    shelf.remove(first)
    assert [item.language for item in shelf.all()] == ["es"]


def test_the_server_begins_with_approved_templates_when_told_so() -> None:
    world = MemoryWorld(has_starters=True)
    found = world.shelf("12345")
    assert found is not None

    rows = templates.listed({}, shelf=found, link="/")["data"]

    assert [(row["name"], row["status"]) for row in rows] == [
        ("hello_world", "APPROVED"),
        ("appointment_reminder", "APPROVED"),
    ]
