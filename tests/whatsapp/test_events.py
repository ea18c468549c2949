"""Meta's webhooks: what each becomes, and that nothing stops the reading."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gosend.whatsapp import events
from gosend.whatsapp.events import (
    AccountUpdate,
    InboundMessage,
    Item,
    MessageEcho,
    QualityUpdate,
    StatusUpdate,
    TemplateUpdate,
    Unrecognised,
)
from tests import material

OUR_SAMPLES = Path(__file__).parents[1] / "samples" / "webhooks"
META_FILES = material.meta_samples()

NUMBER = "700000000000001"
ACCOUNT = "800000000000001"
ANA = "34600111222"
MOMENT = datetime.fromtimestamp(1_790_000_000, UTC)


def _sample(name: str) -> Any:
    return json.loads((OUR_SAMPLES / f"{name}.json").read_text())


def _parsed(name: str) -> list[Item]:
    return events.parse(_sample(name))


def _value(name: str) -> Any:
    return _sample(name)["entry"][0]["changes"][0]["value"]


def _one_message(name: str) -> InboundMessage:
    (item,) = _parsed(name)
    assert isinstance(item, InboundMessage)
    return item


def _one_status(name: str) -> StatusUpdate:
    (item,) = _parsed(name)
    assert isinstance(item, StatusUpdate)
    return item


def _pieces(value: object) -> list[object]:
    """Every object within a JSON value, itself included."""
    if isinstance(value, dict):
        return [value, *(piece for inner in value.values() for piece in _pieces(inner))]
    if isinstance(value, list):
        return [value, *(piece for inner in value for piece in _pieces(inner))]
    return [value]


def test_an_inbound_text_has_its_sender_moment_and_raw_json() -> None:
    value = _value("text")

    assert _parsed("text") == [
        InboundMessage(
            waba_id=ACCOUNT,
            field="messages",
            raw=value["messages"][0],
            phone_number_id=NUMBER,
            wamid="wamid.SAMPLE1",
            from_phone=ANA,
            from_user_id="",
            timestamp=MOMENT,
            type="text",
            message=value["messages"][0],
            contact=value["contacts"][0],
            profile_name="Ana Prado",
            username="",
        )
    ]


@pytest.mark.parametrize(
    ("name", "type_", "wamid"),
    [
        ("image", "image", "wamid.SAMPLE2"),
        ("button_reply", "interactive", "wamid.SAMPLE3"),
        ("list_reply", "interactive", "wamid.SAMPLE4"),
        ("template_button", "button", "wamid.SAMPLE5"),
        ("unknown_type", "hologram", "wamid.SAMPLE7"),
    ],
)
def test_every_type_arrives_whole(name: str, type_: str, wamid: str) -> None:
    item = _one_message(name)

    assert (item.type, item.wamid, item.from_phone) == (type_, wamid, ANA)
    assert item.message == item.raw == _value(name)["messages"][0]


def test_a_sender_without_a_phone_number_is_known_by_user_id() -> None:
    item = _one_message("sender_without_phone")

    assert (item.from_phone, item.from_user_id) == ("", "ES.77aa")
    assert (item.profile_name, item.username) == ("Ana Prado", "ana.prado")


def test_a_user_id_in_the_place_of_the_phone_is_no_phone() -> None:
    item = _one_message("user_id_in_the_place_of_the_phone")

    assert (item.from_phone, item.from_user_id) == ("", "ES.ENT.77aa")
    assert item.contact == {"wa_id": "ES.ENT.77aa"}


def test_a_sent_status_carries_our_own_id_and_the_price() -> None:
    status = _value("status_sent")["statuses"][0]

    assert _parsed("status_sent") == [
        StatusUpdate(
            waba_id=ACCOUNT,
            field="messages",
            raw=status,
            phone_number_id=NUMBER,
            wamid="wamid.SAMPLE9",
            status="sent",
            timestamp=datetime.fromtimestamp(1_790_000_060, UTC),
            recipient_id=ANA,
            recipient_user_id="",
            participant="",
            opaque="m.41.1",
            errors=[],
            pricing=status["pricing"],
        )
    ]


def test_a_delivered_status_names_the_user_id() -> None:
    item = _one_status("status_delivered")

    assert (item.status, item.opaque, item.recipient_user_id) == ("delivered", "m.41.1", "ES.77aa")
    assert item.pricing is None


def test_a_timestamp_may_be_a_number() -> None:
    item = _one_status("status_read")

    assert (item.status, item.opaque) == ("read", "")
    assert item.timestamp == datetime.fromtimestamp(1_790_000_090, UTC)


def test_a_failed_status_carries_the_readable_errors() -> None:
    item = _one_status("status_failed")

    assert (item.status, item.opaque) == ("failed", "m.41.1")
    assert [error["code"] for error in item.errors] == [131026]


def test_a_status_of_a_group_names_the_participant() -> None:
    item = _one_status("status_of_a_group")

    assert (item.recipient_id, item.participant) == ("Y2FwaV9ncm91cDox", ANA)


def test_a_field_nobody_knows_is_kept() -> None:
    change = _sample("unknown_field")["entry"][0]["changes"][0]

    assert _parsed("unknown_field") == [
        Unrecognised(waba_id=ACCOUNT, field="weather_report", raw=change, reason="an unknown field")
    ]


def test_several_entries_changes_and_messages_come_in_order() -> None:
    items = _parsed("several_entries")

    seen = [(item.waba_id, item.raw["id"], item.raw.get("status")) for item in items]
    assert seen == [
        (ACCOUNT, "wamid.SAMPLE1", None),
        (ACCOUNT, "wamid.SAMPLE2", None),
        (ACCOUNT, "wamid.SAMPLE9", "sent"),
        (ACCOUNT, "wamid.SAMPLE9", "delivered"),
        ("800000000000002", "wamid.SAMPLE3", None),
    ]


def test_each_message_finds_its_own_contact() -> None:
    names = [item.profile_name for item in _parsed("two_senders") if isinstance(item, InboundMessage)]

    assert names == ["Ana Prado", "Bea", ""]


def test_a_lone_contact_of_somebody_else_is_not_taken_for_the_sender() -> None:
    sample = _sample("text")
    value = sample["entry"][0]["changes"][0]["value"]
    value["contacts"] = [{"profile": {"name": "Bea"}, "wa_id": "34600333444"}]

    (item,) = events.parse(sample)

    assert isinstance(item, InboundMessage)
    assert (item.contact, item.profile_name, item.from_phone) == ({}, "", ANA)


def test_broken_pieces_stand_beside_good_ones() -> None:
    items = _parsed("broken_pieces")

    read = [(type(item), getattr(item, "reason", item.raw.get("id"))) for item in items]
    assert read == [
        (Unrecognised, "an entry without changes"),
        (Unrecognised, "an entry without changes"),
        (Unrecognised, "a change that is no object"),
        (Unrecognised, "a value that is no object"),
        (Unrecognised, "a message without an id"),
        (Unrecognised, "a message without an id"),
        (InboundMessage, "wamid.SAMPLE1"),
        (Unrecognised, "a message without an id"),
        (Unrecognised, "statuses that are no list"),
        (Unrecognised, "a status without its name"),
        (Unrecognised, "a status of no message"),
        (StatusUpdate, "wamid.SAMPLE9"),
    ]
    assert items[2].raw == {"value": "odd"}
    assert items[4].raw == {"value": 7}


@pytest.mark.parametrize(
    "odd", ["soon", "", None, True, [], {}, "1e999", 10**400, 1_790_000_000_000_000, "nan"]
)
def test_an_odd_timestamp_is_now(odd: object) -> None:
    sample = _sample("text")
    sample["entry"][0]["changes"][0]["value"]["messages"][0]["timestamp"] = odd
    before = datetime.now(UTC)

    (item,) = events.parse(sample)

    assert isinstance(item, InboundMessage)
    assert before <= item.timestamp <= datetime.now(UTC)


def test_errors_of_the_number_are_kept() -> None:
    (item,) = _parsed("errors_of_the_number")

    assert isinstance(item, Unrecognised)
    assert item.raw["value"]["errors"][0]["code"] == 130429


def test_an_approved_template_is_named_as_in_the_api() -> None:
    change = _sample("template_approved")["entry"][0]["changes"][0]

    assert _parsed("template_approved") == [
        TemplateUpdate(
            waba_id=ACCOUNT,
            field="message_template_status_update",
            raw=change,
            template_id="910000000000001",
            name="visit_reminder",
            language="es_ES",
            event="APPROVED",
            reason="",
        )
    ]


def test_a_rejected_template_says_why() -> None:
    (item,) = _parsed("template_rejected")

    assert isinstance(item, TemplateUpdate)
    assert (item.event, item.reason, item.template_id) == ("REJECTED", "INVALID_FORMAT", "910000000000002")


def test_a_quality_update_prefers_the_newer_name_of_the_limit() -> None:
    (item,) = _parsed("quality_update")

    assert isinstance(item, QualityUpdate)
    assert (item.display_phone_number, item.event) == ("34910000001", "THROUGHPUT_UPGRADE")
    assert item.limit == "TIER_10K"


@pytest.mark.parametrize(
    ("name", "event", "waba_id"),
    [
        ("account_restricted", "ACCOUNT_RESTRICTION", ACCOUNT),
        ("partner_added", "PARTNER_ADDED", "800000000000009"),
    ],
)
def test_an_account_update_names_the_account_itself(name: str, event: str, waba_id: str) -> None:
    (item,) = _parsed(name)

    assert isinstance(item, AccountUpdate)
    assert (item.event, item.waba_id) == (event, waba_id)


def test_an_echo_of_the_business_app_is_no_inbound_message() -> None:
    echo, broken = _parsed("echo")

    assert isinstance(echo, MessageEcho)
    assert not isinstance(echo, InboundMessage)
    assert (echo.from_phone, echo.to_phone, echo.profile_name) == ("34910000001", ANA, "Ana Prado")
    assert isinstance(broken, Unrecognised)


@pytest.mark.skipif(
    not META_FILES,
    reason=f"Meta's sample callbacks are not in {material.SHARED}; GOSEND_MATERIAL names their folder",
)
def test_every_real_callback_is_read_and_kept_raw() -> None:
    known = 0
    for path in META_FILES:
        payload = json.loads(path.read_text())

        items = events.parse(payload)

        pieces = _pieces(payload)
        assert items, path.name
        for item in items:
            assert item.raw in pieces, path.name
            assert isinstance(item.waba_id, str), path.name
            known += not isinstance(item, Unrecognised)
        _assert_all_were_read(payload, items, path.name)
    assert known > len(META_FILES) / 2


def _assert_all_were_read(payload: Any, items: list[Item], name: str) -> None:
    """Every message and status of the file became its own typed event."""
    expected: dict[type[Item], int] = {InboundMessage: 0, StatusUpdate: 0, MessageEcho: 0}
    for change in (change for entry in payload["entry"] for change in entry.get("changes", [])):
        if change.get("field") == "messages":
            expected[InboundMessage] += len(change["value"].get("messages", []))
            expected[StatusUpdate] += len(change["value"].get("statuses", []))
        if change.get("field") == "smb_message_echoes":
            expected[MessageEcho] += len(change["value"]["message_echoes"])
    assert {kind: sum(type(item) is kind for item in items) for kind in expected} == expected, name


# The words that Meta uses, so that what is made up comes near to what is read.
_WORDS = sorted(
    {
        key
        for path in OUR_SAMPLES.glob("*.json")
        for piece in _pieces(json.loads(path.read_text()))
        if isinstance(piece, dict)
        for key in piece
    }
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("ES.77aa"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=4),
    max_leaves=15,
)
_FIELDS = st.sampled_from([*events._READERS, "elsewhere"])


_LISTS = st.sampled_from(["messages", "statuses", "message_echoes", "contacts", "errors"])
_VALUES = st.dictionaries(_LISTS, st.lists(_JSON, max_size=2) | _JSON, max_size=3) | _JSON


@settings(max_examples=60, deadline=None)
@given(_JSON)
def test_no_json_value_stops_the_reading(payload: object) -> None:
    items = events.parse(payload)

    if not isinstance(payload, dict) or not isinstance(payload.get("entry"), list):
        kept = payload if isinstance(payload, dict) else {"value": payload}
        assert [(type(item), item.raw) for item in items] == [(Unrecognised, kept)]


@settings(max_examples=100, deadline=None)
@given(field=_FIELDS, value=_VALUES)
def test_no_value_of_a_known_field_stops_the_reading(field: str, value: object) -> None:
    change = {"field": field, "value": value}

    items = events.parse({"entry": [{"id": ACCOUNT, "changes": [change]}]})

    assert all(isinstance(item.raw, dict) and item.field == field for item in items)
    if not isinstance(value, dict):
        assert [item.raw for item in items] == [change]
