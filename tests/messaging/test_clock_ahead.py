"""A process whose clock is years ahead: the database's says what is old, so nothing of today is lost."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from accounts import quota
from accounts.models import PhoneNumber, Tenant
from gosend.sandbox import samples
from messaging import budgets, idempotency, inbound_media, recover, retention, rollups
from messaging.idempotency import InProgress, Once, Stored
from messaging.models import MediaFile, Message, MetaEvent
from tests import factories
from tests.messaging.conftest import envelope, text_message

_THREE_YEARS = 3 * 365 * 86_400


@pytest.fixture
def ahead() -> Callable[[], time_machine.travel]:
    return lambda: time_machine.travel(time.time() + _THREE_YEARS, tick=True)


@pytest.fixture
def of_today(number: PhoneNumber, settings: Settings, tmp_path: Path) -> None:
    """A row of each kind that is forgotten, or given up, with the years."""
    settings.META_LOG_DAYS = settings.FIGURES_DAYS = settings.MEDIA_RETENTION_DAYS = 30
    settings.MEDIA_ROOT = tmp_path
    now = timezone.now()
    factories.DispatchFactory.create(state="queued")
    factories.IdempotentAnswerFactory.create()
    factories.SendSlotFactory.create(at=now)
    factories.MetaEventFactory.create(handled_at=now, next_attempt_at=None)
    factories.StatusReportFactory.create()
    factories.HourlyFigureFactory.create(hour=now)
    factories.MediaFileFactory.create(state="kept", fetched_at=now, path="nothing")
    factories.KeyDayFactory.create(day=datetime.now(UTC).date())


@pytest.mark.usefixtures("of_today")
@pytest.mark.parametrize(
    "stage",
    [
        recover.too_old,
        idempotency.forget_expired,
        budgets.forget_past,
        retention.forget_callbacks,
        retention.forget_reports,
        rollups.forget_past,
        inbound_media.purge,
        quota.forget_past,
    ],
)
def test_nothing_of_today_is_failed_or_forgotten(
    ahead: Callable[[], time_machine.travel], stage: Callable[[], int]
) -> None:
    with ahead():
        assert stage() == 0


def test_a_repeat_is_answered_as_before(tenant: Tenant, ahead: Callable[[], time_machine.travel]) -> None:
    answered, running = (Once(tenant.pk, "test", key, b"f" * 32) for key in ("order-1", "order-2"))
    idempotency.claim(answered)
    idempotency.remember(answered, status_code=201, body=b"{}")
    idempotency.claim(running)

    with ahead():
        assert idempotency.recall(answered) == Stored(201, b"{}")
        with pytest.raises(InProgress):
            idempotency.recall(running)


def test_a_request_that_is_about_to_answer_is_in_progress(
    tenant: Tenant, send_text: Callable[..., Message], ahead: Callable[[], time_machine.travel]
) -> None:
    once = Once(tenant.pk, "test", "order-3", b"f" * 32)
    idempotency.claim(once, message_id=send_text(is_async=True).pk)

    with ahead(), pytest.raises(InProgress):
        idempotency.recall(once)


def test_a_file_that_could_not_be_had_is_tried_again(
    tell: Callable[..., MetaEvent], number: PhoneNumber, ahead: Callable[[], time_machine.travel]
) -> None:
    image = {**samples.inbound("image"), "id": samples.new_id("image", tail=samples.LOST)}
    tell(envelope(number, messages=[text_message("wamid.media", type="image", image=image)]))

    with ahead():
        assert inbound_media.fetch_due() == 1

    assert MediaFile.objects.get().state == "waiting"
