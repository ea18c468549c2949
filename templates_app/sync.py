"""Keep our copy as Meta has it: read everything, and mark what is no longer there."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import numbers
from accounts.models import BusinessAccount
from gosend.lib import doorbell
from gosend.lib.errors import DomainError
from gosend.whatsapp.client import GraphClient, GraphError
from templates_app import announce, copies, graph
from templates_app.models import Template

log = logging.getLogger(__name__)

# Meta's code for a cursor that has expired: the list must be read from its start.
CURSOR_EXPIRED = 131059
# How often that is done before it counts as a trouble of Meta's.
MAX_STARTS = 4
# Meta allows 6,000 templates; a list longer than this does not end.
MAX_PAGES = 500


class AccountNotReady(DomainError):
    code = "waba_not_connected"


@dataclass(frozen=True, slots=True)
class Counts:
    """What a sync changed, and how many templates Meta has."""

    created: int
    updated: int
    deleted: int
    total: int


def sync(*, account: BusinessAccount) -> Counts:
    """Read all templates of an account and take them over. Call it outside a transaction.

    A row that changed while the list was being read is left alone: what changed it is newer.
    Raises MetaRefused and MetaUnavailable.
    """
    client = client_of(account)
    started_at = timezone.now()
    try:
        fresh = _read(client, account.waba_id)
    except GraphError as error:
        raise graph.as_domain_error(error) from error
    with transaction.atomic():
        # Two syncs at once write one after the other.
        BusinessAccount.objects.select_for_update(no_key=True).get(pk=account.pk)
        return _apply(account, fresh, started_at)


def client_of(account: BusinessAccount) -> GraphClient:
    """The client that speaks for an account; without a token there is none."""
    if not account.is_sandbox and not account.sealed_access_token:
        raise AccountNotReady("There is no access token for this WhatsApp Business Account yet")
    return numbers.client_for_account(account)


def ask(*, account: BusinessAccount) -> None:
    """Have an account synced soon, because something happened there that only a list tells."""
    doorbell.ring("templates_app.sync", account_id=account.pk, since=timezone.now().isoformat())


def is_fresh(*, account: BusinessAccount, since: datetime) -> bool:
    """Whether a sync has begun since then, so that another would find nothing new."""
    return Template.objects.filter(business_account=account, last_synced_at__gte=since).exists()


def accounts_to_sync() -> list[int]:
    """The live accounts that can be asked. The sandbox tells of everything at once."""
    ready = BusinessAccount.objects.filter(is_sandbox=False, status=BusinessAccount.Status.ACTIVE)
    return list(ready.exclude(sealed_access_token="").values_list("pk", flat=True))


def _read(client: GraphClient, waba_id: str) -> dict[tuple[str, str], Template]:
    for start in range(1, MAX_STARTS + 1):
        try:
            rows = list(_pages(client, waba_id))
        except GraphError as error:
            if error.code != CURSOR_EXPIRED or start == MAX_STARTS:
                raise
            continue
        found = [copies.read(row) for row in rows]
        if None in found:
            log.warning("%s templates of account %s could not be read", found.count(None), waba_id)
        return {(copy.name, copy.language): copy for copy in found if copy is not None}
    raise AssertionError("the last start raises")


def _pages(client: GraphClient, waba_id: str) -> Iterator[dict[str, Any]]:
    after = ""
    for _ in range(MAX_PAGES):
        page = client.list_templates(waba_id=waba_id, after=after)
        yield from page.rows
        if not page.after:
            return
        if page.after == after:
            break
        after = page.after
    # Half a list would mark the other half as deleted.
    raise graph.MetaUnavailable("Meta's list of templates did not come to an end")


def _apply(account: BusinessAccount, fresh: dict[tuple[str, str], Template], started_at: datetime) -> Counts:
    known = {(row.name, row.language): row for row in Template.objects.filter(business_account=account)}
    new = [copy for key, copy in fresh.items() if key not in known]
    Template.objects.bulk_create(
        [copies.belong(copy, account=account, synced_at=started_at) for copy in new],
        ignore_conflicts=True,  # one that is being created here right now
    )
    settled = {key: row for key, row in known.items() if row.updated_at < started_at}
    updated = sum(_update(settled[key], copy, account) for key, copy in fresh.items() if key in settled)
    gone = [row for key, row in settled.items() if key not in fresh and row.status != Template.Status.DELETED]
    for row in gone:
        row.status = Template.Status.DELETED
        row.save(update_fields=["status", "updated_at"])
    Template.objects.filter(business_account=account).update(last_synced_at=started_at)
    return Counts(created=len(new), updated=updated, deleted=len(gone), total=len(fresh))


def _update(template: Template, copy: Template, account: BusinessAccount) -> bool:
    before = template.status
    if not copies.take_over(template, copy):
        return False
    template.save()
    if template.status != before:
        announce.status_changed(template, waba_id=account.waba_id)
    return True
