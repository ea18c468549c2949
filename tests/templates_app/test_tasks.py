"""The tasks that read templates again."""

from datetime import timedelta

from celery import current_app
from django.conf import settings
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import BusinessAccount
from templates_app import tasks
from templates_app.models import Template
from tests.templates_app.conftest import NOBODY, Meta


def test_a_task_syncs_one_account(meta: Meta, account: BusinessAccount) -> None:
    meta.put(account.waba_id, "order")

    tasks.sync(account_id=account.pk)

    assert Template.objects.get().name == "order"


def test_many_rings_for_one_moment_are_one_sync(meta: Meta, account: BusinessAccount) -> None:
    meta.put(account.waba_id, "order")
    asked_at = timezone.now()

    for _ in range(3):
        tasks.sync(account_id=account.pk, since=asked_at.isoformat())
    tasks.sync(account_id=account.pk, since=(timezone.now() + timedelta(seconds=1)).isoformat())

    assert len(meta.requests) == 2


def test_a_sync_that_fails_waits_for_the_next(account: BusinessAccount, settings: Settings) -> None:
    settings.META_GRAPH_URL = NOBODY

    tasks.sync(account_id=account.pk)
    tasks.sync(account_id=account.pk + 1)

    assert Template.objects.count() == 0


def test_every_ready_account_is_rung_for(
    account: BusinessAccount, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks() as rings:
        tasks.sync_all()

    assert len(rings) == 1


def test_the_schedule_names_tasks_that_exist() -> None:
    names = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    current_app.loader.import_default_modules()

    assert "templates_app.sync_all" in names
    assert {"templates_app.sync", *names} <= set(current_app.tasks)
