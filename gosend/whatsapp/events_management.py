"""The half of Meta's webhooks that is not about messages: templates, numbers, accounts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gosend.whatsapp.event_item import Item, Json, text_of, unrecognised


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfTemplate(Item):
    """Which template; `language` is spelled as in the API, `en_US`."""

    template_id: str
    name: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateUpdate(_OfTemplate):
    """Meta approved, rejected, paused … a template."""

    event: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateQualityUpdate(_OfTemplate):
    """How a template is received: GREEN, YELLOW, RED or UNKNOWN."""

    score: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateCategoryUpdate(_OfTemplate):
    """Meta has moved a template to `category`; empty when it only says that it will."""

    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateComponentsUpdate(_OfTemplate):
    """A template's content was changed; what it is now must be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityUpdate(Item):
    """A number's quality or limit changed."""

    display_phone_number: str
    event: str
    limit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NameUpdate(Item):
    """Meta has decided on a number's name."""

    display_phone_number: str
    decision: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityUpdate(Item):
    """How many people the business may write to in a day; a tier, or a number before v24."""

    limit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUpdate(Item):
    """Something happened to the account. For the PARTNER_ events `waba_id` is the account's, too."""

    event: str
    ban_state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountAlert(Item):
    """Meta warns of something about the account, the business or a number."""

    entity_type: str
    entity_id: str
    type: str
    severity: str
    status: str
    description: str


def _template(waba_id: str, change: Json, value: Json) -> Iterator[Item]:
    if not text_of(value.get("event")) and value.get("new_quality_score"):
        # Seen in Meta's own samples under this field's name.
        yield from _template_quality(waba_id, change, value)
        return
    about, event = _template_of(waba_id, change, value), text_of(value.get("event"))
    if about is None or not event:
        yield _odd(waba_id, change, "no template or no event")
        return
    reason = text_of(value.get("reason"))
    yield TemplateUpdate(**about, event=event, reason="" if reason == "NONE" else reason)


def _template_quality(waba_id: str, change: Json, value: Json) -> Iterator[Item]:
    about, score = _template_of(waba_id, change, value), text_of(value.get("new_quality_score"))
    if about is None or not score:
        yield _odd(waba_id, change, "no template or no quality")
        return
    yield TemplateQualityUpdate(**about, score=score)


def _template_category(waba_id: str, change: Json, value: Json) -> Iterator[Item]:
    """A notice names the category that is to come as the correct one; only a change has a previous one."""
    about = _template_of(waba_id, change, value)
    if about is None:
        yield _odd(waba_id, change, "no template")
        return
    is_done = bool(text_of(value.get("previous_category")))
    yield TemplateCategoryUpdate(**about, category=text_of(value.get("new_category")) if is_done else "")


def _template_components(waba_id: str, change: Json, value: Json) -> Iterator[Item]:
    about = _template_of(waba_id, change, value)
    yield _odd(waba_id, change, "no template") if about is None else TemplateComponentsUpdate(**about)


def _quality(waba_id: str, change: Json, value: Json) -> Iterator[Item]:
    limit = value.get("max_daily_conversations_per_business") or value.get("current_limit")
    yield QualityUpdate(
        waba_id=waba_id,
        field="phone_number_quality_update",
        raw=change,
        display_phone_number=text_of(value.get("display_phone_number")),
        event=text_of(value.get("event")),
        limit=text_of(limit),
    )


def _name(waba_id: str, change: Json, value: Json) -> Iterator[Item]:
    yield NameUpdate(
        waba_id=waba_id,
        field="phone_number_name_update",
        raw=change,
        display_phone_number=text_of(value.get("display_phone_number")),
        decision=text_of(value.get("decision")),
        name=text_of(value.get("requested_verified_name")),
        reason=text_of(value.get("rejection_reason")),
    )


def _capability(waba_id: str, change: Json, value: Json) -> Iterator[Item]:
    limit = text_of(value.get("max_daily_conversations_per_business"))
    yield CapabilityUpdate(waba_id=waba_id, field="business_capability_update", raw=change, limit=limit)


def _account(waba_id: str, change: Json, value: Json) -> Iterator[Item]:
    """In PARTNER_ events the entry is the partner's business; the account stands inside."""
    ban = _object(value.get("ban_info"))
    yield AccountUpdate(
        waba_id=text_of(_object(value.get("waba_info")).get("waba_id")) or waba_id,
        field="account_update",
        raw=change,
        event=text_of(value.get("event")),
        ban_state=text_of(ban.get("waba_ban_state")),
    )


def _alert(waba_id: str, change: Json, value: Json) -> Iterator[Item]:
    """The alert stands in an object of its own, in older callbacks beside the rest."""
    info = _object(value.get("alert_info")) or value
    yield AccountAlert(
        waba_id=waba_id,
        field="account_alerts",
        raw=change,
        entity_type=text_of(value.get("entity_type")),
        entity_id=text_of(value.get("entity_id")),
        type=text_of(info.get("alert_type")),
        severity=text_of(info.get("alert_severity")),
        status=text_of(info.get("alert_status")),
        description=text_of(info.get("alert_description")),
    )


def _template_of(waba_id: str, change: Json, value: Json) -> dict[str, Any] | None:
    template_id = text_of(value.get("message_template_id"))
    if not template_id:
        return None
    return {
        "waba_id": waba_id,
        "field": text_of(change.get("field")),
        "raw": change,
        "template_id": template_id,
        "name": text_of(value.get("message_template_name")),
        "language": text_of(value.get("message_template_language")).replace("-", "_"),
    }


def _odd(waba_id: str, change: Json, reason: str) -> Item:
    return unrecognised(waba_id, text_of(change.get("field")), change, reason)


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


READERS: Mapping[str, Callable[[str, Json, Json], Iterator[Item]]] = {
    "message_template_status_update": _template,
    "message_template_quality_update": _template_quality,
    "template_category_update": _template_category,
    "message_template_components_update": _template_components,
    "phone_number_quality_update": _quality,
    "phone_number_name_update": _name,
    "business_capability_update": _capability,
    "account_update": _account,
    "account_alerts": _alert,
}
