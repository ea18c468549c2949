"""Templates are created and deleted at Meta, once."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import BusinessAccount
from gosend.whatsapp.wire import GraphRequest
from templates_app import graph, submit, sync
from templates_app.models import Template
from tests import factories
from tests.templates_app.conftest import BODY, NOBODY, Meta

Told = Callable[[], list[str]]


def definition(**change: Any) -> dict[str, Any]:
    made = {"name": "order", "language": "en_US", "category": "utility", "components": [BODY]}
    return copy.deepcopy(made | change)


def names_at(meta: Meta, account: BusinessAccount) -> list[str]:
    shelf = meta.world.shelf(account.waba_id)
    assert shelf is not None
    return [held.name for held in shelf.all()]


def test_a_created_template_is_pending_with_metas_id(meta: Meta, account: BusinessAccount) -> None:
    made = submit.create(account=account, definition=definition())

    kept = Template.objects.get()
    assert kept.pk == made.pk
    assert (kept.name, kept.language, kept.category, kept.status) == ("order", "en_US", "UTILITY", "PENDING")
    assert kept.meta_template_id.startswith("999")
    assert kept.components == [BODY]
    assert kept.last_synced_at is None


def test_what_breaks_a_rule_is_not_sent_to_meta(meta: Meta, account: BusinessAccount) -> None:
    with pytest.raises(submit.TemplateInvalid) as caught:
        submit.create(account=account, definition=definition(name="Order!", language=None))

    assert caught.value.details is not None
    assert [(item["path"], item["value"]) for item in caught.value.details["errors"]] == [
        ("name", "Order!"),
        ("language", None),
    ]
    assert meta.requests == []
    assert Template.objects.count() == 0


def test_the_same_name_and_language_is_refused_here(meta: Meta, account: BusinessAccount) -> None:
    submit.create(account=account, definition=definition())
    asked = len(meta.requests)

    with pytest.raises(submit.TemplateExists):
        submit.create(account=account, definition=definition())
    submit.create(account=account, definition=definition(language="es"))

    assert len(meta.requests) == asked + 1


def test_one_that_only_meta_knows_is_refused_by_meta(meta: Meta, account: BusinessAccount) -> None:
    meta.put(account.waba_id, "order")

    with pytest.raises(submit.TemplateExists):
        submit.create(account=account, definition=definition())


def test_metas_own_judgement_is_passed_on_with_its_subcode(meta: Meta, account: BusinessAccount) -> None:
    dense = {"type": "BODY", "text": "Hi {{1}}, {{2}}!", "example": {"body_text": [["a", "b"]]}}

    with pytest.raises(graph.MetaRefused) as caught:
        submit.create(account=account, definition=definition(components=[dense]))

    assert caught.value.details is not None
    told = caught.value.details["meta"]
    assert (told["code"], told["subcode"], told["title"]) == (100, 2388293, "Too many variables")
    assert told["cure"].startswith("Add words")
    assert Template.objects.count() == 0


def test_an_answer_that_got_lost_is_looked_up(meta: Meta, account: BusinessAccount) -> None:
    meta.put(account.waba_id, "order_lost_and_longer")

    made = submit.create(account=account, definition=definition(name="order_lost"))

    assert names_at(meta, account) == ["order_lost_and_longer", "order_lost"]
    assert (made.name, made.status) == ("order_lost", "PENDING")
    assert made.meta_template_id
    assert [request.split()[0] for request in meta.requests] == ["POST", "GET"]


def test_a_creation_that_meta_did_not_take_is_told_so(meta: Meta, account: BusinessAccount) -> None:
    def drop(request: GraphRequest) -> None:
        if request.method == "GET":
            meta.remove(account.waba_id, "order_lost")

    meta.before = drop

    with pytest.raises(graph.MetaUnavailable):
        submit.create(account=account, definition=definition(name="order_lost"))

    assert Template.objects.count() == 0


def test_a_deleted_template_may_be_created_again_in_the_same_row(
    meta: Meta, account: BusinessAccount
) -> None:
    first = submit.create(account=account, definition=definition())
    submit.delete(account=account, template=first)

    second = submit.create(account=account, definition=definition(category="MARKETING"))

    assert second.pk == first.pk
    assert (second.status, second.category) == ("PENDING", "MARKETING")
    assert second.meta_template_id != first.meta_template_id


def test_only_one_language_is_deleted(meta: Meta, account: BusinessAccount) -> None:
    english = submit.create(account=account, definition=definition())
    submit.create(account=account, definition=definition(language="es"))

    submit.delete(account=account, template=english)

    shelf = meta.world.shelf(account.waba_id)
    assert shelf is not None
    assert [held.language for held in shelf.all()] == ["es"]
    assert dict(Template.objects.values_list("language", "status")) == {"en_US": "DELETED", "es": "PENDING"}


def test_what_meta_no_longer_has_counts_as_deleted(meta: Meta, account: BusinessAccount) -> None:
    template = submit.create(account=account, definition=definition())
    meta.remove(account.waba_id, "order")

    submit.delete(account=account, template=template)

    assert Template.objects.get().status == "DELETED"


@pytest.mark.parametrize("is_there", [True, False])
def test_a_copy_without_metas_id_is_found_by_its_name(
    is_there: bool, meta: Meta, account: BusinessAccount
) -> None:
    template = factories.TemplateFactory.create(
        business_account=account, tenant=account.tenant, name="order", language="en_US"
    )
    if is_there:
        meta.put(account.waba_id, "order")

    submit.delete(account=account, template=template)

    assert names_at(meta, account) == []
    assert Template.objects.get().status == "DELETED"


def test_a_template_stays_when_meta_cannot_be_reached(
    meta: Meta, account: BusinessAccount, settings: Settings
) -> None:
    template = submit.create(account=account, definition=definition())
    settings.META_GRAPH_URL = NOBODY

    with pytest.raises(graph.MetaUnavailable):
        submit.delete(account=account, template=template)

    assert Template.objects.get().status == "PENDING"


def test_a_sync_after_a_creation_finds_the_same_template(meta: Meta, account: BusinessAccount) -> None:
    submit.create(account=account, definition=definition())

    assert sync.sync(account=account) == sync.Counts(created=0, updated=1, deleted=0, total=1)


def test_content_that_only_meta_has_is_asked_for(
    meta: Meta,
    account: BusinessAccount,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    from_library = definition(library_template_name="delivery_update_1")
    del from_library["components"]

    with django_capture_on_commit_callbacks() as rings:
        made = submit.create(account=account, definition=from_library)

    assert (made.components, len(rings)) == ([], 1)
