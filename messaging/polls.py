"""Polls, which the Cloud API does not have: rendered as buttons, a list or numbered text; votes counted.

A reply to a button or a row names the poll by its token; a text counts when it quotes the poll, or when
the poll is the chat's latest message from us. One choice: a new one takes the place of the old one.
Several: each tap adds a choice or takes it back; beyond the limit the oldest gives way.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import PhoneNumber
from gosend.lib import phone
from gosend.lib.errors import DomainError
from gosend.whatsapp import content as contents
from messaging import groups
from messaging.models import Message, Poll, PollVote
from webhooks_app import events

MIN_OPTIONS = 2
# As in WhatsApp's own polls.
MAX_OPTIONS = 12
_MAX_BUTTONS, _MAX_BUTTON_CHARACTERS, _MAX_BUTTONS_BODY = 3, 20, 1024
_MAX_ROWS, _MAX_TITLE_CHARACTERS, _MAX_DESCRIPTION_CHARACTERS = 10, 24, 72
_LIST_LABEL = "Vote"
_TOKEN_BYTES = 12
_REPLY_ID = re.compile(r"poll\.([A-Za-z0-9_-]{16})\.([0-9]{1,2})\Z")
_NUMBERS = re.compile(r"\s*[0-9]{1,2}(?:\s*[,;+ ]\s*[0-9]{1,2})*\s*[.!]?\s*\Z")
_SOURCES = {"button_reply": PollVote.Source.BUTTON, "list_reply": PollVote.Source.LIST}


class InvalidVote(DomainError):
    code = "invalid_field"


@dataclass(frozen=True, slots=True)
class Rendering:
    """A poll as it can be sent; `token` is empty where no reply could name it."""

    content: contents.Content
    rendered_as: str
    token: str


def render(*, name: str, options: Sequence[str], selectable_count: int, to_group: bool = False) -> Rendering:
    """Choose the plainest form that holds every option; groups take nothing to tap on.

    Raises `contents.ContentInvalid`.
    """
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    ids = [f"poll.{token}.{index}" for index in range(len(options))]
    if not to_group and selectable_count == 1 and _fits_buttons(name, options):
        replies = [{"id": id, "title": option} for id, option in zip(ids, options, strict=True)]
        action: dict[str, Any] = {"buttons": [{"type": "reply", "reply": reply} for reply in replies]}
        return _interactive("button", name, action, Poll.RenderedAs.BUTTONS, token)
    if not to_group and _fits_list(options):
        rows = [{"id": id, **_row(option)} for id, option in zip(ids, options, strict=True)]
        action = {"button": _LIST_LABEL, "sections": [{"rows": rows}]}
        return _interactive("list", name, action, Poll.RenderedAs.LIST, token)
    lines = [f"{place}. {option}" for place, option in enumerate(options, 1)]
    how = "Reply with the number." if selectable_count == 1 else "Reply with the numbers, as in 1,3."
    body = {"body": "\n".join([name, "", *lines, "", how])}
    return Rendering(contents.parse(type="text", value=body), Poll.RenderedAs.TEXT, token)


def keep(
    *, number: PhoneNumber, rendering: Rendering, name: str, options: Sequence[str], selectable_count: int
) -> Poll:
    """Store a poll before its message is accepted: a vote finds it by its token, whatever happens then."""
    return Poll.objects.create(
        tenant_id=number.tenant_id,
        phone_number=number,
        token=rendering.token,
        name=name,
        options=list(options),
        selectable_count=selectable_count,
        rendered_as=rendering.rendered_as,
    )


def attach(*, poll: Poll, message: Message) -> None:
    """Say which message carries the poll."""
    poll.message = message
    Poll.objects.filter(pk=poll.pk).update(message=message)


def discard(*, poll: Poll) -> None:
    """Forget a poll whose message was not accepted."""
    Poll.objects.filter(pk=poll.pk, message=None).delete()


def hear(*, message: Message, meta_message: dict[str, Any]) -> None:
    """Count a customer's message as a vote if it is one, in the transaction that stores it."""
    found = _tapped(message, meta_message) or _typed(message, meta_message)
    if found is None:
        return
    poll, chosen, source = found
    locked = _lock(poll)
    voter = groups.writer(meta_message) if phone.is_group(message.peer) else message.peer
    before = _selected(locked, voter)
    if source == PollVote.Source.TEXT:
        after = chosen[-locked.selectable_count :]
    else:
        after = _toggled(before, chosen[0], limit=locked.selectable_count)
    _record(locked, voter=voter, before=before, after=after, source=source)


def vote(*, poll: Poll, options: Sequence[str]) -> Poll:
    """Record the sender's own vote: the complete set of options, none to take it back.

    It is counted here and told to the tenant; nobody on WhatsApp sees it. Raises InvalidVote.
    """
    unknown = [option for option in options if option not in poll.options]
    if unknown:
        raise InvalidVote("This is not an option of the poll", details={"field": "options", "value": unknown})
    if len(set(options)) != len(options) or len(options) > poll.selectable_count:
        raise InvalidVote(
            f"The poll takes up to {poll.selectable_count} different options",
            details={"field": "options", "limit": poll.selectable_count},
        )
    with transaction.atomic():
        locked = _lock(poll)
        voter = locked.phone_number.display_phone_number_normalized
        after = [locked.options.index(option) for option in options]
        _record(locked, voter=voter, before=_selected(locked, voter), after=after, source=PollVote.Source.API)
    return locked


def _interactive(kind: str, name: str, action: dict[str, Any], rendered_as: str, token: str) -> Rendering:
    value = {"type": kind, "body": {"text": name}, "action": action}
    return Rendering(contents.parse(type="interactive", value=value), rendered_as, token)


def _fits_buttons(name: str, options: Sequence[str]) -> bool:
    longest = max(map(len, options))
    return (
        len(options) <= _MAX_BUTTONS and longest <= _MAX_BUTTON_CHARACTERS and len(name) <= _MAX_BUTTONS_BODY
    )


def _fits_list(options: Sequence[str]) -> bool:
    return len(options) <= _MAX_ROWS and max(map(len, options)) <= _MAX_DESCRIPTION_CHARACTERS


def _row(option: str) -> dict[str, str]:
    if len(option) <= _MAX_TITLE_CHARACTERS:
        return {"title": option}
    return {"title": option[: _MAX_TITLE_CHARACTERS - 1] + "…", "description": option}


def _tapped(message: Message, meta_message: dict[str, Any]) -> tuple[Poll, list[int], str] | None:
    reply = meta_message.get("interactive")
    if not isinstance(reply, dict):
        return None
    for kind, source in _SOURCES.items():
        chosen = reply.get(kind)
        name = _REPLY_ID.match(str(chosen.get("id"))) if isinstance(chosen, dict) else None
        if name is None:
            continue
        poll = Poll.objects.filter(token=name[1], phone_number_id=message.phone_number_id).first()
        if poll is not None and int(name[2]) < len(poll.options):
            return poll, [int(name[2])], source
    return None


def _typed(message: Message, meta_message: dict[str, Any]) -> tuple[Poll, list[int], str] | None:
    text = meta_message.get("text")
    written = text.get("body") if isinstance(text, dict) else None
    if not isinstance(written, str) or not _NUMBERS.match(written):
        return None
    poll = _meant(message, meta_message.get("context"))
    if poll is None:
        return None
    places = [int(digits) - 1 for digits in re.findall(r"[0-9]+", written)]
    if any(not 0 <= place < len(poll.options) for place in places):
        return None
    return poll, list(dict.fromkeys(places)), PollVote.Source.TEXT


def _meant(message: Message, context: object) -> Poll | None:
    """The poll that a text quotes, or the numbered one that stands last in the chat."""
    mine = Message.objects.filter(
        tenant_id=message.tenant_id, phone_number_id=message.phone_number_id, direction="outbound"
    )
    quoted = context.get("id") if isinstance(context, dict) else None
    if quoted:
        asked = mine.filter(wamid=quoted).first()
        return Poll.objects.filter(message=asked).first() if asked else None
    asked = mine.filter(peer=message.peer, wamid__isnull=False).order_by("-pk").first()
    as_text = Poll.objects.filter(message=asked, rendered_as=Poll.RenderedAs.TEXT)
    return as_text.first() if asked else None


def _lock(poll: Poll) -> Poll:
    rows = Poll.objects.select_for_update(of=("self",)).select_related("phone_number", "message")
    return rows.get(pk=poll.pk)


def _selected(poll: Poll, voter: str) -> list[int]:
    found = PollVote.objects.filter(poll=poll, voter=voter).values_list("selected", flat=True).first()
    return list(found or [])


def _toggled(before: list[int], chosen: int, *, limit: int) -> list[int]:
    if limit == 1:
        return [chosen]
    if chosen in before:
        return [one for one in before if one != chosen]
    return [*before, chosen][-limit:]


def _record(poll: Poll, *, voter: str, before: list[int], after: list[int], source: str) -> None:
    at = timezone.now()
    PollVote.objects.update_or_create(
        poll=poll, voter=voter, defaults={"selected": after, "source": source, "voted_at": at}
    )
    events.publish(
        tenant_id=poll.tenant_id,
        number=poll.phone_number,
        type="poll.vote",
        occurred_at=at,
        data={
            "poll": {
                "id": str(poll.pk),
                "message_id": str(poll.message_id) if poll.message_id else None,
                "wa_message_id": poll.message.wamid if poll.message else None,
                "name": poll.name,
                "options": poll.options,
            },
            "voter": voter,
            "selected_options": [poll.options[index] for index in after],
            "selected_indexes": after,
            "previous_options": [poll.options[index] for index in before],
            "source": source,
        },
    )
