"""The buttons on a message of unknown outcome. Waiting needs none: Meta's report settles it by itself."""

from collections.abc import Mapping
from typing import Any

from django import forms

from accounts.acts import Act, Done, ReasonForm
from messaging import settle
from messaging.models import Message

_LATE = "Its outcome became known meanwhile; nothing was changed."


class _RiskForm(ReasonForm):
    risk = forms.BooleanField(label="I know that the recipient may get it twice")


def _give_up(row: Message, data: Mapping[str, Any]) -> Done:
    is_changed = settle.give_up(message_id=row.pk)
    return Done("It counts as failed now." if is_changed else _LATE, details={"changed": is_changed})


def _resend(row: Message, data: Mapping[str, Any]) -> Done:
    is_changed = settle.resend(message_id=row.pk)
    return Done("It is queued once more." if is_changed else _LATE, details={"changed": is_changed})


def _is_open(row: Message) -> bool:
    return row.status in settle.OPEN


ACTS = (
    Act(
        "give_up", "Mark as failed",
        "Nobody knows whether Meta has it. Waiting is safe: Meta's report settles it even later.",
        "message.given_up", _give_up, ReasonForm, fits=_is_open,
    ),
    Act(
        "resend", "Send again, at own risk",
        "Nobody knows whether Meta has it. Sent again, the recipient may get it twice.",
        "message.resent", _resend, _RiskForm, fits=_is_open,
    ),
)  # fmt: skip
