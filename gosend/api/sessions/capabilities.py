"""Per type and action: native, emulated by other means and labelled, or unsupported."""

from typing import Any

from accounts.models import PhoneNumber
from gosend.api.sessions import content, envelope, inline
from gosend.whatsapp import files
from messaging import budgets, polls

_NATIVE, _EMULATED, _UNSUPPORTED = "native", "emulated", "unsupported"


class Capability(envelope.Camel):
    """How one thing is done here."""

    support: str
    note: str | None = None
    limits: dict[str, Any] | None = None


class Capabilities(envelope.Camel):
    """What a session can do."""

    types: dict[str, Capability]
    actions: dict[str, Capability]
    recipients: dict[str, Capability]
    session: dict[str, Capability]
    budgets: dict[str, int]


def of(number: PhoneNumber) -> dict[str, Any]:
    minute, hour = budgets.caps(number)
    return Capabilities(
        types={
            **_TYPES,
            **{
                kind: Capability(
                    support=_NATIVE,
                    limits={
                        "maxBytes": min(files.LIMITS[kind].max_bytes, inline.MAX_BYTES),
                        "mimetypes": list(files.LIMITS[kind].mime_types),
                    },
                )
                for kind in content.MEDIA
            },
        },
        actions=_ACTIONS,
        recipients=_RECIPIENTS,
        session=_SESSION,
        budgets={"ratePerMin": minute, "ratePerHour": hour},
    ).wire()


def _can(support: str, note: str | None = None, **limits: Any) -> Capability:
    return Capability(support=support, note=note, limits=limits or None)


_TYPES = {
    "text": _can(_NATIVE, maxCharacters=4096),
    "poll": _can(
        _EMULATED,
        "Sent as buttons, a list or numbered text; renderedAs says which. Voters do not see other votes.",
        maxOptions=polls.MAX_OPTIONS,
    ),
    "location": _can(_NATIVE),
    "contact": _can(_NATIVE),
    "template": _can(_NATIVE, "Beyond the gateway: the only type outside the 24-hour window."),
}
_ACTIONS = {
    "edit": _can(_NATIVE, "While the message is queued; afterwards unsupported_by_channel."),
    "revoke": _can(_NATIVE, "While the message is queued; afterwards unsupported_by_channel."),
    "react": _can(_NATIVE),
    "unreact": _can(_NATIVE),
    "reply": _can(_NATIVE, "WhatsApp shows no quotation of a message older than 30 days."),
    "mentions": _can(_UNSUPPORTED, "Accepted with the warning mentions_not_supported."),
    "forward": _can(_EMULATED, "The content is sent anew, without WhatsApp's forwarded label."),
    "vote": _can(_EMULATED, "On polls of the session's own; counted here, not shown on WhatsApp."),
    "markRead": _can(_NATIVE, "Sends a real read receipt."),
    "presence.composing": _can(
        _NATIVE, "After a message of the customer's, which is marked as read as well.", maxSeconds=25
    ),
    "presence.paused": _can(_UNSUPPORTED, "Accepted without effect: the indicator ends by itself."),
    "presence.recording": _can(_UNSUPPORTED, "Accepted without effect."),
}
_RECIPIENTS = {
    "person": _can(_NATIVE),
    "userId": _can(_NATIVE, "A business-scoped user id, where there is no phone number."),
    "group": _can(
        _NATIVE,
        "Groups that the Cloud API made for an official business account, as <Meta's group_id>@g.us: text,"
        " poll (numbered), files and templates. Groups that people made are not reached.",
        maxMembers=8,
    ),
    "newsletter": _can(_UNSUPPORTED),
    "broadcast": _can(_UNSUPPORTED),
    "lid": _can(_UNSUPPORTED, "Known to linked devices only."),
}
_SESSION = {
    "start": _can(_NATIVE),
    "stop": _can(_NATIVE),
    "restart": _can(_NATIVE, "The same as a start."),
    "qr": _can(_UNSUPPORTED, "There is no device to link."),
    "pairingCode": _can(_UNSUPPORTED, "There is no device to link."),
    "logout": _can(_UNSUPPORTED, "Stop the session, or disconnect the number in the console."),
    "realtime": _can(_UNSUPPORTED, "Use webhooks: they survive restarts, and are replayed."),
}
