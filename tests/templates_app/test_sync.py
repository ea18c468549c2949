"""Our copy of the templates becomes what Meta has."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts import tenants
from accounts.models import BusinessAccount
from gosend.sandbox.shelf import Held, RowShelf
from gosend.whatsapp.wire import GraphRequest
from templates_app import graph, sync
from templates_app.models import Template
from tests import factories
from tests.templates_app.conftest import NOBODY, Meta

Told = Callable[[], list[str]]


def status_of(name: str) -> str:
    return Template.objects.get(name=name).status


def test_every_page_is_read(meta: Meta, account: BusinessAccount) -> None:
    names = {f"order_{index}" for index in range(120)}
    for name in names:
        meta.put(account.waba_id, name)

    counts = sync.sync(account=account)

    assert counts == sync.Counts(created=120, updated=0, deleted=0, total=120)
    assert set(Template.objects.values_list("name", flat=True)) == names
    assert meta.requests == [f"GET /{account.waba_id}/message_templates"] * 3


def test_a_copy_says_what_meta_says(meta: Meta, account: BusinessAccount) -> None:
    held = meta.put(account.waba_id, "promo_reject")

    sync.sync(account=account)

    copy = Template.objects.get()
    assert (copy.tenant, copy.business_account) == (account.tenant, account)
    assert (copy.meta_template_id, copy.name, copy.language) == (held.template_id, "promo_reject", "en_US")
    assert (copy.category, copy.status, copy.rejection_reason) == ("UTILITY", "REJECTED", "INVALID_FORMAT")
    assert (copy.components, copy.parameter_format) == (held.components, "POSITIONAL")
    assert copy.quality_score == "UNKNOWN"
    assert copy.last_synced_at is not None


def test_a_second_sync_changes_nothing(meta: Meta, account: BusinessAccount, told: Told) -> None:
    meta.put(account.waba_id, "order")
    sync.sync(account=account)
    before = Template.objects.get()

    counts = sync.sync(account=account)

    after = Template.objects.get()
    assert counts == sync.Counts(created=0, updated=0, deleted=0, total=1)
    assert after.updated_at == before.updated_at
    assert after.last_synced_at != before.last_synced_at
    assert told() == []


def test_what_changed_is_updated_and_told_and_what_vanished_is_marked(
    meta: Meta, account: BusinessAccount, told: Told
) -> None:
    for name in ("order", "order_reject", "order_pause", "gone"):
        meta.put(account.waba_id, name, age=0)
    sync.sync(account=account)
    meta.world.forget()
    for name in ("order", "order_reject", "order_pause", "fresh"):
        meta.put(account.waba_id, name)

    counts = sync.sync(account=account)
    again = sync.sync(account=account)

    assert counts == sync.Counts(created=1, updated=3, deleted=1, total=4)
    assert again == sync.Counts(created=0, updated=0, deleted=0, total=4)
    assert [status_of(name) for name in ("order", "order_reject", "order_pause", "gone", "fresh")] == [
        "APPROVED", "REJECTED", "PAUSED", "DELETED", "APPROVED",
    ]  # fmt: skip
    assert sorted(told()) == ["template.approved", "template.paused", "template.rejected"]


def test_one_that_comes_back_is_no_longer_deleted(meta: Meta, account: BusinessAccount, told: Told) -> None:
    factories.TemplateFactory.create(
        business_account=account, tenant=account.tenant, name="order", status="DELETED"
    )
    meta.put(account.waba_id, "order")

    counts = sync.sync(account=account)

    assert counts.updated == 1
    assert status_of("order") == "APPROVED"
    assert told() == ["template.approved"]


def test_an_expired_cursor_starts_the_list_again(meta: Meta, account: BusinessAccount) -> None:
    for index in range(60):
        meta.put(account.waba_id, f"order_{index:02d}")

    def delete_once(request: GraphRequest) -> None:
        if "after" in request.query:
            meta.remove(account.waba_id, "order_49")  # the last of the first page: the cursor points to it

    meta.before = delete_once

    assert sync.sync(account=account) == sync.Counts(created=59, updated=0, deleted=0, total=59)
    assert len(meta.requests) == 4


def test_a_row_that_changed_meanwhile_is_left_alone(meta: Meta, account: BusinessAccount) -> None:
    meta.put(account.waba_id, "order", age=0)
    sync.sync(account=account)
    # A callback that comes in while the list is being read.
    Template.objects.update(status="APPROVED", updated_at=timezone.now() + timedelta(seconds=5))

    counts = sync.sync(account=account)

    assert counts.updated == 0
    assert status_of("order") == "APPROVED"


def test_a_dead_token_is_told_and_deletes_nothing(meta: Meta, account: BusinessAccount) -> None:
    factories.TemplateFactory.create(business_account=account, tenant=account.tenant, name="order")
    account.access_token = "expired"
    account.save()

    with pytest.raises(graph.MetaRefused) as caught:
        sync.sync(account=account)

    assert caught.value.details is not None
    assert (caught.value.details["meta"]["code"], caught.value.details["meta"]["subcode"]) == (190, 463)
    assert status_of("order") == "APPROVED"


def test_meta_out_of_reach_is_worth_another_try(account: BusinessAccount, settings: Settings) -> None:
    settings.META_GRAPH_URL = NOBODY

    with pytest.raises(graph.MetaUnavailable) as caught:
        sync.sync(account=account)

    assert caught.value.retry_after == 5


def test_an_account_without_a_token_is_not_asked_for(meta: Meta, account: BusinessAccount) -> None:
    BusinessAccount.objects.filter(pk=account.pk).update(sealed_access_token="")
    account.refresh_from_db()

    with pytest.raises(sync.AccountNotReady):
        sync.sync(account=account)

    assert meta.requests == []
    assert sync.accounts_to_sync() == []


def test_a_sandbox_account_is_synced_in_process(db: None) -> None:
    number = tenants.add_sandbox(tenant=tenants.open_tenant(name="Acme"))
    account = number.business_account
    RowShelf(account.waba_id).put(
        Held("order", "es_AR", "MARKETING", "POSITIONAL", [], created_at=timezone.now().timestamp() - 5)
    )
    RowShelf("999000000000000").put(Held("of_a_stranger", "es_AR", "MARKETING", "POSITIONAL", []))

    counts = sync.sync(account=account)

    assert counts == sync.Counts(created=1, updated=0, deleted=0, total=1)
    assert status_of("order") == "APPROVED"


def test_only_live_active_accounts_are_synced_on_schedule(account: BusinessAccount) -> None:
    tenants.add_sandbox(tenant=tenants.open_tenant(name="Acme"))
    factories.BusinessAccountFactory.create(status="suspended")

    assert sync.accounts_to_sync() == [account.pk]
