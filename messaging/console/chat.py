"""A conversation, as a chat: bubbles, ticks, files, failures, and how long the window stays open."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from messaging.console import bubbles, media, story, words
from messaging.console.bubbles import Bubble
from messaging.console.masking import Veil
from messaging.console.story import Trouble
from messaging.console.words import Meaning
from messaging.models import Conversation, MediaFile, Message, ServiceWindow

PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Line:
    """One message; `day` stands on the first of each day."""

    message: Message
    bubble: Bubble
    meaning: Meaning
    trouble: Trouble | None
    file: MediaFile | None
    is_image: bool
    day: datetime | None


@dataclass(frozen=True, slots=True)
class Chat:
    """`older` is the id to page up from; the conversations before and after are of the same two sides."""

    lines: list[Line]
    older: int | None
    newer: int | None
    earlier: Conversation | None
    later: Conversation | None
    window_ends_at: datetime | None
    is_window_open: bool


def read(conversation: Conversation, *, veil: Veil, before: int | None, after: int | None) -> Chat:
    """The newest messages, or those before or after one; oldest first."""
    rows = Message.objects.filter(conversation_id=conversation.pk, tenant_id=conversation.tenant_id)
    rows = rows.select_related("content", "phone_number")
    if after is not None:
        found = list(rows.filter(pk__gt=after).order_by("pk")[: PER_PAGE + 1])
        shown = found[:PER_PAGE]
        has_older, has_newer = True, len(found) > PER_PAGE
    else:
        if before is not None:
            rows = rows.filter(pk__lt=before)
        found = list(rows.order_by("-pk")[: PER_PAGE + 1])
        shown = found[:PER_PAGE][::-1]
        has_older, has_newer = len(found) > PER_PAGE, before is not None
    siblings = Conversation.objects.filter(
        contact_id=conversation.contact_id,
        phone_number_id=conversation.phone_number_id,
        tenant_id=conversation.tenant_id,
    )
    window = ServiceWindow.objects.filter(
        phone_number_id=conversation.phone_number_id, contact_id=conversation.contact_id
    ).first()
    return Chat(
        lines=_lines(shown, conversation, veil),
        older=shown[0].pk if shown and has_older else None,
        newer=shown[-1].pk if shown and has_newer else None,
        earlier=siblings.filter(pk__lt=conversation.pk).order_by("-pk").first(),
        later=siblings.filter(pk__gt=conversation.pk).order_by("pk").first(),
        window_ends_at=window.expires_at if window else None,
        is_window_open=window is not None and window.expires_at > timezone.now(),
    )


def _lines(messages: list[Message], conversation: Conversation, veil: Veil) -> list[Line]:
    templates, kept = bubbles.templates_of(messages), media.of(messages)
    lines, day = [], None
    for message in messages:
        file = kept.get(message.pk)
        is_new_day = message.created_at.date() != day
        day = message.created_at.date()
        lines.append(
            Line(
                message=message,
                bubble=bubbles.draw(message, templates, veil=veil, record=conversation),
                meaning=words.status(message.status),
                trouble=story.trouble_of(message.error, veil=veil, record=conversation),
                file=file,
                is_image=file is not None and media.is_image(file),
                day=message.created_at if is_new_day else None,
            )
        )
    return lines
