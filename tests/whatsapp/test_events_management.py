"""Callbacks about templates, numbers and accounts are read into typed events."""

from typing import Any

import pytest

from gosend.whatsapp import events

TEMPLATE = {
    "message_template_id": 806312974732579,
    "message_template_name": "welcome",
    "message_template_language": "pt-BR",
}


def read(field: str, value: Any) -> events.Item:
    (item,) = events.parse({"entry": [{"id": "102", "changes": [{"field": field, "value": value}]}]})
    assert (item.waba_id, item.field) == ("102", field)
    return item


def test_a_template_is_named_with_its_language_spelled_as_in_the_api() -> None:
    item = read("message_template_status_update", TEMPLATE | {"event": "REJECTED", "reason": "SCAM"})

    assert isinstance(item, events.TemplateUpdate)
    assert (item.template_id, item.name, item.language) == ("806312974732579", "welcome", "pt_BR")
    assert (item.event, item.reason) == ("REJECTED", "SCAM")


@pytest.mark.parametrize("field", ["message_template_quality_update", "message_template_status_update"])
def test_quality_is_read_under_either_name(field: str) -> None:
    item = read(field, TEMPLATE | {"previous_quality_score": "GREEN", "new_quality_score": "RED"})

    assert isinstance(item, events.TemplateQualityUpdate)
    assert item.score == "RED"


@pytest.mark.parametrize(
    ("value", "category"),
    [
        ({"previous_category": "UTILITY", "new_category": "MARKETING"}, "MARKETING"),
        ({"correct_category": "MARKETING", "new_category": "UTILITY"}, ""),
    ],
)
def test_a_category_counts_only_once_it_has_changed(value: dict[str, str], category: str) -> None:
    item = read("template_category_update", TEMPLATE | value)

    assert isinstance(item, events.TemplateCategoryUpdate)
    assert item.category == category


def test_changed_content_names_its_template() -> None:
    item = read("message_template_components_update", TEMPLATE | {"message_template_element": "Hi"})

    assert isinstance(item, events.TemplateComponentsUpdate)
    assert item.name == "welcome"


def test_a_name_decision_is_read() -> None:
    value = {"display_phone_number": "1555", "decision": "REJECTED", "requested_verified_name": "X"}

    item = read("phone_number_name_update", value | {"rejection_reason": "NAME_TOO_SHORT"})

    assert isinstance(item, events.NameUpdate)
    assert (item.display_phone_number, item.decision, item.name) == ("1555", "REJECTED", "X")
    assert item.reason == "NAME_TOO_SHORT"


@pytest.mark.parametrize(("limit", "text"), [(2000, "2000"), ("TIER_2K", "TIER_2K"), (None, "")])
def test_a_limit_is_read_as_a_number_and_as_a_tier(limit: object, text: str) -> None:
    item = read("business_capability_update", {"max_daily_conversations_per_business": limit})

    assert isinstance(item, events.CapabilityUpdate)
    assert item.limit == text


@pytest.mark.parametrize("is_nested", [True, False])
def test_an_alert_is_read_in_both_shapes(is_nested: bool) -> None:
    info = {"alert_severity": "INFORMATIONAL", "alert_status": "NONE", "alert_type": "OBA_APPROVED"}
    info["alert_description"] = "Now official."

    item = read(
        "account_alerts",
        {"entity_type": "BUSINESS", "entity_id": 7} | ({"alert_info": info} if is_nested else info),
    )

    assert isinstance(item, events.AccountAlert)
    assert (item.entity_type, item.entity_id, item.type) == ("BUSINESS", "7", "OBA_APPROVED")
    assert (item.severity, item.status, item.description) == ("INFORMATIONAL", "NONE", "Now official.")


@pytest.mark.parametrize("field", ["message_template_status_update", "message_template_quality_update"])
@pytest.mark.parametrize(
    "value", [{}, TEMPLATE, {"event": "APPROVED"}, {"new_quality_score": "RED"}, 3, None]
)
def test_half_a_template_event_is_kept_unrecognised(field: str, value: Any) -> None:
    assert isinstance(read(field, value), events.Unrecognised)


@pytest.mark.parametrize(
    "field",
    [
        "account_alerts",
        "account_update",
        "business_capability_update",
        "message_template_components_update",
        "phone_number_name_update",
        "phone_number_quality_update",
        "template_category_update",
    ],
)
def test_odd_values_break_nothing(field: str) -> None:
    for value in ({}, {"ban_info": 1, "alert_info": [], "waba_info": "x", "event": [], "decision": {}}):
        assert read(field, value).raw == {"field": field, "value": value}
