"""Change or take back a message that has not left yet; afterwards WhatsApp's Cloud API offers nothing.

The message's row is locked first, then its dispatch, as everywhere; only a dispatch that nobody has
claimed counts as not having left. So what was sent is never changed here.
"""

from django.db import transaction
from django.utils import timezone

from accounts.models import Tenant
from gosend.lib.errors import DomainError
from gosend.whatsapp import content as contents
from messaging import statuses
from messaging.models import Dispatch, Message, MessageContent

# In the error of a message that was taken back; its status is failed.
REVOKED = "revoked"
_ERROR = {
    "code": None,
    "title": "Taken back before it was sent",
    "message": "The sender revoked the message while it was queued",
    "details": "",
    "fbtrace_id": "",
    "cure": "Nothing is to be done: it was not sent.",
    "gosend_code": REVOKED,
}


class UnsupportedByChannel(DomainError):
    code = "unsupported_by_channel"


class NotText(DomainError):
    code = "invalid_field"


def edit(*, message: Message, content: contents.Text) -> Message:
    """Put another text in place of a queued one; raises NotText, UnsupportedByChannel once it has left."""
    with transaction.atomic():
        locked = _lock(message)
        if locked.type != contents.Text.type:
            raise NotText("Only the words of a text can be edited", details={"field": "text"})
        _require_waiting(
            locked,
            reason="WhatsApp's Cloud API cannot edit a message that it has taken",
            alternatives=["Send a correction that quotes the message: replyTo with its id"],
        )
        kept = MessageContent.objects.get(message_id=locked.pk)
        kept.body = {**kept.body, content.type: content.to_graph()}
        kept.edited_at = timezone.now()
        kept.save(update_fields=["body", "edited_at"])
        Message.objects.filter(pk=locked.pk).update(updated_at=kept.edited_at)
        locked.content = kept
    return locked


def revoke(*, message: Message) -> Message:
    """Take a queued message back: it fails, by name, and is never sent. Taking back twice is no error."""
    with transaction.atomic():
        locked = _lock(message)
        if is_revoked(locked):
            return locked
        _require_waiting(
            locked,
            reason="WhatsApp's Cloud API cannot delete a message that it has taken",
            alternatives=["Send a message that says so and quotes it: replyTo with its id"],
        )
        Dispatch.objects.filter(pk=locked.pk).delete()
        error = dict(_ERROR)
        statuses.advance(message_id=locked.pk, to=Message.Status.FAILED, at=timezone.now(), error=error)
        return _lock(message)


def is_revoked(message: Message) -> bool:
    return message.error is not None and message.error.get("gosend_code") == REVOKED


def _lock(message: Message) -> Message:
    return (
        Message.objects.select_for_update(of=("self",))
        .select_related("phone_number", "tenant", "content")
        .get(pk=message.pk)
    )


def _never_left(message: Message) -> bool:
    """A queued message may be at Meta only where the tenant has unknown sends repeated."""
    return message.attempt_count == 0 or message.tenant.on_unknown != Tenant.OnUnknown.RESEND


def _require_waiting(message: Message, *, reason: str, alternatives: list[str]) -> None:
    """Hold the dispatch, unless it was claimed: a claim skips a row that is held."""
    waiting = Dispatch.objects.select_for_update().filter(pk=message.pk, state=Dispatch.State.QUEUED)
    if message.direction == Message.Direction.INBOUND:
        reason = "Only what was sent from here can be changed, not what a customer wrote"
        alternatives = []
    elif _never_left(message) and waiting.first() is not None:
        return
    raise UnsupportedByChannel(
        reason,
        details={"reason": reason, "alternatives": alternatives, "status": message.status},
    )
