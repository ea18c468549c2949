"""What Meta's callbacks say about a template is taken over."""

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import BusinessAccount
from accounts.numbers import NotForThisApp
from gosend.whatsapp import events
from templates_app import notices
from templates_app.models import Template
from tests import factories

Told = Callable[[], list[str]]


@pytest.fixture
def template(account: BusinessAccount) -> Template:
    made: Template = factories.TemplateFactory.create(
        tenant=account.tenant, business_account=account, name="order", status="PENDING"
    )
    return made


def item(account: BusinessAccount, field: str, **value: Any) -> notices.Update:
    about = {
        "message_template_id": 806312974732579,
        "message_template_name": "order",
        "message_template_language": "en-US",
    }
    change = {"field": field, "value": about | value}
    (found,) = events.parse({"entry": [{"id": account.waba_id, "changes": [change]}]})
    assert not isinstance(found, events.Unrecognised)
    return found  # type: ignore[return-value]


@pytest.fixture
def take(account: BusinessAccount) -> Callable[..., None]:
    app = factories.MetaAppFactory.create()

    def _take(field: str, **value: Any) -> None:
        notices.take(update=item(account, field, **value), app=app, is_sandbox=False)

    return _take


@pytest.fixture
def asked(django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Any:
    """Collect the doorbells that a piece of work rings."""
    return django_capture_on_commit_callbacks


@pytest.mark.parametrize(
    ("event", "status", "told_of"),
    [
        ("APPROVED", "APPROVED", ["template.approved"]),
        ("REJECTED", "REJECTED", ["template.rejected"]),
        ("PAUSED", "PAUSED", ["template.paused"]),
        ("DISABLED", "DISABLED", []),
        ("FLAGGED", "FLAGGED", []),
        ("PENDING_DELETION", "PENDING_DELETION", []),
    ],
)
def test_a_review_is_noted_and_told_once(
    event: str, status: str, told_of: list[str], template: Template, take: Any, told: Told, asked: Any
) -> None:
    with asked() as rings:
        take("message_template_status_update", event=event, reason="INVALID_FORMAT")
        take("message_template_status_update", event=event, reason="INVALID_FORMAT")

    template.refresh_from_db()
    assert template.status == status
    assert template.rejection_reason == ("INVALID_FORMAT" if event == "REJECTED" else "")
    assert template.meta_template_id == "806312974732579"
    assert told() == told_of
    assert len(rings) == len(told_of)


@pytest.mark.parametrize("event", ["REINSTATED", "UNARCHIVED", "SOMETHING_NEW"])
def test_what_is_no_status_is_asked_for(
    event: str, template: Template, take: Any, told: Told, asked: Any
) -> None:
    with asked() as rings:
        take("message_template_status_update", event=event)

    template.refresh_from_db()
    assert template.status == "PENDING"
    assert (told(), len(rings)) == ([], 1)


def test_a_template_that_is_not_known_here_is_asked_for(take: Any, told: Told, asked: Any) -> None:
    with asked() as rings:
        take("message_template_status_update", event="APPROVED")

    assert (told(), len(rings)) == ([], 1)


def test_changed_content_is_asked_for(template: Template, take: Any, asked: Any) -> None:
    with asked() as rings:
        take("message_template_components_update", message_template_element="New text")

    assert len(rings) == 1


def test_quality_is_noted(template: Template, take: Any, asked: Any) -> None:
    with asked() as rings:
        take("message_template_quality_update", previous_quality_score="GREEN", new_quality_score="YELLOW")

    template.refresh_from_db()
    assert (template.quality_score, len(rings)) == ("YELLOW", 0)


def test_a_new_category_counts_once_it_is_done(template: Template, take: Any) -> None:
    take("template_category_update", correct_category="MARKETING", new_category="UTILITY")
    template.refresh_from_db()
    announced = template.category
    take("template_category_update", previous_category="UTILITY", new_category="MARKETING")
    template.refresh_from_db()

    assert (announced, template.category) == ("UTILITY", "MARKETING")


def test_an_app_of_a_stranger_may_not_speak(account: BusinessAccount, template: Template) -> None:
    stranger = factories.MetaAppFactory.create(tenant=factories.TenantFactory.create())
    update = item(account, "message_template_status_update", event="APPROVED")

    for app, is_sandbox in ((stranger, False), (None, True)):
        with pytest.raises(NotForThisApp):
            notices.take(update=update, app=app, is_sandbox=is_sandbox)

    template.refresh_from_db()
    assert template.status == "PENDING"


def test_an_account_that_is_not_ours_is_nothing_to_us(db: None) -> None:
    update = item(BusinessAccount(waba_id="1"), "message_template_status_update", event="APPROVED")

    notices.take(update=update, app=None, is_sandbox=False)

    assert Template.objects.count() == 0
