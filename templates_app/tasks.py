"""Read the templates again."""

import logging
from datetime import datetime

from celery import shared_task

from accounts.models import BusinessAccount
from gosend.lib import doorbell
from gosend.lib.errors import DomainError
from templates_app import sync as room

log = logging.getLogger(__name__)


@shared_task(name="templates_app.sync")
def sync(account_id: int, since: str | None = None) -> None:
    """Sync one account, unless that was done since the moment for which it was asked."""
    account = BusinessAccount.objects.filter(pk=account_id).first()
    if account is None or (since and room.is_fresh(account=account, since=datetime.fromisoformat(since))):
        return
    try:
        room.sync(account=account)
    except DomainError as error:
        log.warning("templates of account %s not synced: %s", account.waba_id, error.message)


@shared_task(name="templates_app.sync_all")
def sync_all() -> None:
    for account_id in room.accounts_to_sync():
        doorbell.ring("templates_app.sync", account_id=account_id)
