"""Says to our own door what Meta would say, signed as Meta would."""

import base64
import hashlib
import json
import logging
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import phonenumbers
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from gosend.lib import doorbell, http, signing
from gosend.sandbox.models import PendingCallback
from gosend.sandbox.world import Line

log = logging.getLogger(__name__)

TASK = "sandbox.post_callbacks"
# A claimed row is nobody else's for this long; posting stops before it is over.
LEASE_SECONDS = 15.0
POST_TIMEOUT_SECONDS = 5.0
MAX_ATTEMPTS = 20
# One ring starts a loop of some seconds, so that a busy sender need not ring for every message.
RING_INTERVAL_SECONDS = 0.5

_last_ring = float("-inf")


class DoorClosed(Exception):
    """A callback that had to be taken at once was not."""


@dataclass(frozen=True, slots=True)
class Callback:
    """One POST to come, so many seconds after the request that caused it."""

    delay_seconds: float
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    """Someone with WhatsApp. Either id may be missing: since 2026 a sender need not show a number."""

    wa_id: str
    user_id: str
    name: str = "Sandbox Customer"
    # Not one person: a group, whose id stands where a user id does.
    is_group: bool = False


# --- What Meta would say ------------------------------------------------------------------------


def new_wamid(recipient: str) -> str:
    """Make an id in the shape of Meta's, padding and all."""
    inside = b"\x1c\x18" + bytes([len(recipient)]) + recipient.encode() + secrets.token_bytes(14)
    return f"wamid.{base64.b64encode(inside).decode()}"


def person(*, phone: str, name: str = "") -> Person:
    """The pretend customer with this number. The business-scoped id keeps the last four digits."""
    digest = hashlib.sha256(phone.encode()).digest()
    digits = f"{int.from_bytes(digest[:8], 'big') % 10**13:013d}"
    user_id = f"{_country(phone)}.{digits}{phone[-4:]}"
    return Person(wa_id=phone, user_id=user_id, name=name or "Sandbox Customer")


def _country(phone: str) -> str:
    try:
        region = phonenumbers.region_code_for_number(phonenumbers.parse(f"+{phone}"))
    except phonenumbers.NumberParseException:
        return "US"
    return region if region and region.isalpha() else "US"


def envelope(*, line: Line, value: dict[str, Any]) -> dict[str, Any]:
    metadata = {
        "display_phone_number": line.display_phone_number,
        "phone_number_id": line.phone_number_id,
    }
    value = {"messaging_product": "whatsapp", "metadata": metadata, **value}
    change = {"field": "messages", "value": value}
    return {"object": "whatsapp_business_account", "entry": [{"id": line.waba_id, "changes": [change]}]}


def status(
    *,
    line: Line,
    to: Person,
    wamid: str,
    status: str,
    timestamp: float,
    opaque: str | None = None,
    pricing: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The payload for one status; a failed one names the error and, as at Meta, no contact."""
    item: dict[str, Any] = {"id": wamid, "status": status, "timestamp": str(int(timestamp))}
    if to.is_group:
        item |= {"recipient_id": to.user_id, "recipient_type": "group"}
    elif to.wa_id:
        item["recipient_id"] = to.wa_id
    if not to.is_group and not (error and to.wa_id):
        item["recipient_user_id"] = to.user_id
    if opaque is not None:
        item["biz_opaque_callback_data"] = opaque
    if pricing:
        item["pricing"] = pricing
    if error:
        return envelope(line=line, value={"statuses": [item | {"errors": [error]}]})
    contacts = {} if to.is_group else {"contacts": [_contact(to)]}
    return envelope(line=line, value={**contacts, "statuses": [item]})


def inbound_message(
    *,
    line: Line,
    sender: Person,
    type: str,
    content: Any,
    context_wamid: str = "",
    timestamp: float | None = None,
) -> dict[str, Any]:
    """The payload for a message of any type from a customer; `content` stands under the type's key."""
    message: dict[str, Any] = {"id": new_wamid(sender.wa_id or sender.user_id)}
    if sender.wa_id:
        message["from"] = sender.wa_id
    if sender.user_id:
        message["from_user_id"] = sender.user_id
    message["timestamp"] = str(int(time.time() if timestamp is None else timestamp))
    message |= {"type": type, type: content}
    if context_wamid:
        message["context"] = {"from": line.display_phone_number, "id": context_wamid}
    return envelope(line=line, value={"contacts": [_contact(sender)], "messages": [message]})


def inbound_text(
    *,
    waba_id: str,
    phone_number_id: str,
    display_phone_number: str,
    from_phone: str,
    body: str,
    name: str = "",
    context_wamid: str = "",
) -> dict[str, Any]:
    """The payload for a text that a customer writes to one of our numbers."""
    return inbound_message(
        line=Line(waba_id, phone_number_id, display_phone_number),
        sender=person(phone=from_phone, name=name),
        type="text",
        content={"body": body},
        context_wamid=context_wamid,
    )


def _contact(who: Person) -> dict[str, Any]:
    contact: dict[str, Any] = {"profile": {"name": who.name}}
    if who.wa_id:
        contact["wa_id"] = who.wa_id
    if who.user_id:
        contact["user_id"] = who.user_id
    return contact


def to_bytes(payload: dict[str, Any]) -> bytes:
    """JSON as Meta writes it: non-ASCII and slashes escaped. A receiver that re-dumps it fails here too."""
    return json.dumps(payload, separators=(",", ":")).replace("/", "\\/").encode()


def wamid_of(payload: dict[str, Any]) -> str:
    """The id of the message or status in a payload made here."""
    value = payload["entry"][0]["changes"][0]["value"]
    return str((value.get("messages") or value["statuses"])[0]["id"])


# --- Saying it ----------------------------------------------------------------------------------


def schedule(*, payload: dict[str, Any], delay_seconds: float = 0) -> None:
    """Keep one callback until it is due."""
    schedule_all([Callback(delay_seconds, payload)])


def schedule_all(callbacks: Iterable[Callback]) -> None:
    """Keep callbacks until they are due, and ring for a worker."""
    rows = [
        PendingCallback(
            due_at=Now() + timedelta(seconds=callback.delay_seconds),
            body=to_bytes(callback.payload),
        )
        for callback in callbacks
    ]
    if rows:
        PendingCallback.objects.bulk_create(rows)
        _ring()


def _ring() -> None:
    global _last_ring  # per process; a ring too many or too few does no harm
    now = time.monotonic()
    if now - _last_ring >= RING_INTERVAL_SECONDS:
        _last_ring = now
        doorbell.ring(TASK)


def post_due(*, limit: int = 100) -> int:
    """Post what is due to our own door, oldest first. Returns how many posts were accepted.

    At least once, as at Meta: a row is deleted after its post was answered 2xx, so a worker killed in
    between leaves it to be posted again.
    """
    claimed = _claim(limit)
    stop_at = time.monotonic() + LEASE_SECONDS - POST_TIMEOUT_SECONDS
    accepted: list[int] = []
    try:
        for row in claimed:
            if time.monotonic() > stop_at:
                break  # the lease runs out by itself, and they come due again
            body = bytes(row.body)
            if post(url=settings.SANDBOX_CALLBACK_URL, secret=settings.SANDBOX_APP_SECRET, body=body):
                accepted.append(row.pk)
            else:
                _put_back(row)
    finally:
        PendingCallback.objects.filter(pk__in=accepted).delete()
    return len(accepted)


def post(*, url: str, secret: str, body: bytes) -> bool:
    """Post one signed callback; True when the door took it."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "facebookexternalua",
        "X-Hub-Signature-256": signing.hub_signature(secret, body),
    }
    try:
        response = http.fetch(
            method="POST",
            url=url,
            headers=headers,
            body=body,
            timeout_seconds=POST_TIMEOUT_SECONDS,
            max_bytes=10_000,
            guard=None,
        )
    except http.Failed as failed:
        log.info("sandbox callback not taken: %s", failed.reason)
        return False
    if 200 <= response.status < 300:
        return True
    log.info("sandbox callback not taken: HTTP %s", response.status)
    return False


def write(*, door: str, line: Line, from_phone: str, text: str, name: str = "") -> str:
    """Let a customer write, posted at once; return the wamid. Raises DoorClosed when it is not taken."""
    payload = inbound_message(
        line=line, sender=person(phone=from_phone, name=name), type="text", content={"body": text}
    )
    if not post(url=door, secret=settings.SANDBOX_APP_SECRET, body=to_bytes(payload)):
        raise DoorClosed(f"{door} did not take the callback")
    return wamid_of(payload)


def backoff_seconds(attempts: int) -> float:
    """1, 2, 4 … seconds, never more than five minutes: about an hour in all."""
    return min(2.0 ** (attempts - 1), 300.0)


def _claim(limit: int) -> list[PendingCallback]:
    """Lease due rows by pushing them forward; the attempt counts even if its worker is killed."""
    with transaction.atomic():
        due = list(
            PendingCallback.objects.select_for_update(skip_locked=True)
            .filter(due_at__lte=Now())
            .order_by("due_at", "pk")[:limit]
        )
        PendingCallback.objects.filter(pk__in=[row.pk for row in due]).update(
            due_at=Now() + timedelta(seconds=LEASE_SECONDS), attempts=F("attempts") + 1
        )
    for row in due:
        row.attempts += 1
    return due


def _put_back(row: PendingCallback) -> None:
    if row.attempts >= MAX_ATTEMPTS:
        log.warning("sandbox callback %s given up after %s attempts", row.pk, row.attempts)
        row.delete()
        return
    wait = timedelta(seconds=backoff_seconds(row.attempts))
    PendingCallback.objects.filter(pk=row.pk).update(due_at=Now() + wait)
