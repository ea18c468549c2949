"""Meta repeats and reorders its reports: whatever it does, a message ends the same and is told once."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import PhoneNumber, Tenant
from gosend.whatsapp.events import StatusUpdate
from messaging import reports
from messaging.models import Message, StatusReport
from tests import factories
from webhooks_app import endpoints
from webhooks_app.models import Delivery, Event

_BEGAN = datetime(2026, 5, 18, 12, 35, tzinfo=UTC)
_AT = {name: _BEGAN + timedelta(seconds=n) for n, name in enumerate(("sent", "delivered", "read", "failed"))}
_COMPARED = ("status", "error", "pricing", "sent_at", "delivered_at", "read_at", "failed_at")


def _update(wamid: str, status: str) -> StatusUpdate:
    raw = {"id": wamid, "status": status}
    if status == "failed":
        raw["errors"] = [{"code": 131026, "title": "Message undeliverable"}]  # type: ignore[assignment]
    return StatusUpdate(
        waba_id="1",
        field="messages",
        raw=raw,
        phone_number_id="2",
        wamid=wamid,
        status=status,
        timestamp=_AT[status],
        recipient_id="5491140123456",
        recipient_user_id="",
        participant="",
        opaque="",
        errors=[],
        pricing=None,
    )


def _told(number: PhoneNumber, batches: list[list[str]]) -> Message:
    """A fresh message, after these reports came in these batches."""
    contact = factories.ContactFactory.create(business_account=number.business_account, tenant=number.tenant)
    message: Message = factories.MessageFactory.create(phone_number=number, contact=contact)
    factories.MessageContentFactory.create(message=message)
    for batch in batches:
        reports.take(reported=[(number.pk, _update(message.wamid or "", status)) for status in batch])
    message.refresh_from_db()
    return message


@st.composite
def _histories(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """What happened, in order; and the same, each told once or more, in any order, in any batches."""
    happened = draw(st.lists(st.sampled_from(sorted(_AT)), unique=True, min_size=1))
    repeats = draw(st.lists(st.sampled_from(happened), max_size=4))
    told = draw(st.permutations(happened + repeats))
    cut = draw(st.integers(0, len(told)))
    return happened, [part for part in (told[:cut], told[cut:]) if part]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # Each example makes a message of its own, so the number may be shared.
@given(history=_histories())
def test_duplicates_and_disorder_change_nothing(
    tenant: Tenant, number: PhoneNumber, history: tuple[list[str], list[list[str]]]
) -> None:
    if not number.webhook_endpoints.exists():
        endpoints.add(tenant=tenant, number=number, url="https://customer.example/", events=["*"])
    happened, batches = history
    in_order = _told(number, [[status] for status in sorted(happened, key=lambda status: _AT[status])])
    Delivery.objects.all().delete()
    Event.objects.all().delete()

    message = _told(number, batches)

    for name in _COMPARED:
        assert getattr(message, name) == getattr(in_order, name), name
    assert StatusReport.objects.filter(message=message).count() == len(happened)
    heard = Counter(Event.objects.values_list("type", flat=True))
    assert max(heard.values()) == 1
    assert set(heard) <= {f"message.{status}" for status in happened}
    if "failed" not in happened:
        assert set(heard) == {f"message.{status}" for status in happened}
    assert f"message.{message.status}" in heard
