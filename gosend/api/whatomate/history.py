"""What was exchanged with a contact, with the reactions and the quotes folded in."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from gosend.api.whatomate import message_out
from messaging.models import Message

# Reactions that are read for one page, the newest ones.
_MOST_REACTIONS = 1000


def write(
    messages: Sequence[Message], *, exchanged: QuerySet[Message], contact_id: int
) -> list[dict[str, Any]]:
    """Write a page of messages whose number and content were loaded with them; two statements more."""
    quoted = _quoted(messages)
    reactions = _reactions(messages, exchanged)
    return [
        message_out.write(
            message,
            body=_body(message),
            contact_id=contact_id,
            quoted=quoted.get(message_out.quoted_wamid(_body(message))),
            reactions=reactions.get(message.wamid or "", ()),
        )
        for message in messages
    ]


def reactions_to(message: Message, exchanged: QuerySet[Message]) -> Sequence[dict[str, str]]:
    return _reactions([message], exchanged).get(message.wamid or "", ())


def _body(message: Message) -> dict[str, Any]:
    held = getattr(message, "content", None)
    return held.body if held is not None else {}


def _quoted(messages: Sequence[Message]) -> dict[str, Message]:
    wamids = {wamid for message in messages if (wamid := message_out.quoted_wamid(_body(message)))}
    if not wamids:
        return {}
    numbers = {message.phone_number_id for message in messages}
    rows = Message.objects.filter(wamid__in=wamids, phone_number__in=numbers).select_related("content")
    return {row.wamid or "": row for row in rows}


def _reactions(messages: Sequence[Message], exchanged: QuerySet[Message]) -> dict[str, list[dict[str, str]]]:
    """Each side has one reaction to a message, its latest; an empty one takes it back."""
    wamids = {message.wamid for message in messages if message.wamid}
    if not wamids:
        return {}
    later = exchanged.filter(type="reaction", pk__gt=min(message.pk for message in messages))
    latest: dict[tuple[str, str], dict[str, str]] = {}
    to_these = later.filter(content__body__reaction__message_id__in=wamids)
    newest = to_these.exclude(status=Message.Status.FAILED).select_related("content").order_by("-pk")
    for row in reversed(newest[:_MOST_REACTIONS]):
        said = _body(row)["reaction"]
        who = "from_user" if row.direction == Message.Direction.OUTBOUND else "from_phone"
        name = "business" if who == "from_user" else row.peer
        latest[said["message_id"], who] = {"emoji": str(said.get("emoji") or ""), who: name}
    found: dict[str, list[dict[str, str]]] = {}
    for (wamid, _who), reaction in latest.items():
        if reaction["emoji"]:
            found.setdefault(wamid, []).append(reaction)
    return found
