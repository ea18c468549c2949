"""Templates through the console: submitted, judged, synced, looked at and deleted at a Meta over HTTP."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import AuditEvent, BusinessAccount
from templates_app.models import Template
from tests import factories
from tests.templates_app.conftest import BODY, NOBODY, Meta

PAGE = "templates_app_template"


def press(client: Client, name: str, row: Any = None, /, **form: Any) -> Any:
    return client.post(reverse(f"admin:{PAGE}_act_{name}", args=[row.pk] if row else []), form)


def submitted(account: BusinessAccount, **change: Any) -> dict[str, Any]:
    form = {
        "business_account": account.pk,
        "name": "order",
        "language": "en_US",
        "category": "UTILITY",
        "components": json.dumps([BODY]),
    }
    return form | change


def shown(client: Client, template: Template, **asked: str) -> Any:
    return client.get(reverse(f"admin:{PAGE}_change", args=[template.pk]), asked)


def judged(answer: Any) -> list[str]:
    return [change.status for change in answer.context["changes"]]


def names_at(meta: Meta, account: BusinessAccount) -> list[str]:
    shelf = meta.world.shelf(account.waba_id)
    assert shelf is not None
    return [held.name for held in shelf.all()]


def test_a_template_is_submitted_and_waits_for_its_judgement(
    operator: Client, meta: Meta, account: BusinessAccount
) -> None:
    answer = press(operator, "submit", **submitted(account))

    template = Template.objects.get()
    assert (answer.status_code, template.status) == (302, "PENDING")
    assert names_at(meta, account) == ["order"]
    assert judged(shown(operator, template)) == ["PENDING"]
    assert [(one.action, one.subject_id) for one in AuditEvent.objects.all()] == [
        ("template.submitted", str(template.pk))
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": "Order!"}, "name"),
        ({"components": "[]"}, "components"),
        ({"components": "{"}, "Enter a valid JSON"),
    ],
)
def test_what_breaks_a_rule_of_metas_is_said_in_the_form_and_not_sent(
    change: dict[str, str], says: str, operator: Client, meta: Meta, account: BusinessAccount
) -> None:
    answer = press(operator, "submit", **submitted(account, **change))

    assert says in str(answer.context["form"].errors)
    assert (meta.requests, Template.objects.count(), AuditEvent.objects.count()) == ([], 0, 0)


@pytest.mark.parametrize("name", ["submit", "sync"])
def test_a_meta_that_does_not_answer_is_said_in_the_form(
    name: str, operator: Client, account: BusinessAccount, settings: Settings
) -> None:
    settings.META_GRAPH_URL = NOBODY

    answer = press(operator, name, **submitted(account))

    assert answer.status_code == 200
    assert len(answer.context["form"].non_field_errors()) == 1
    assert AuditEvent.objects.count() == 0


def test_a_sync_brings_what_meta_has_and_the_page_keeps_what_it_judged(
    operator: Client, meta: Meta, account: BusinessAccount
) -> None:
    press(operator, "submit", **submitted(account, name="mine"))
    meta.remove(account.waba_id, "mine")
    meta.put(account.waba_id, "mine", age=60)
    meta.put(account.waba_id, "theirs", age=60)

    answer = press(operator, "sync", business_account=account.pk)
    meta.remove(account.waba_id, "theirs")
    press(operator, "sync", business_account=account.pk)

    said = [str(one) for one in operator.get(answer["Location"]).context["messages"]]
    mine, theirs = Template.objects.get(name="mine"), Template.objects.get(name="theirs")
    assert said[0] == f"Submitted; Meta says {'PENDING'}."
    assert "Meta has 2: 1 new, 1 changed, 0 gone." in said
    assert (mine.status, theirs.status) == ("APPROVED", "DELETED")
    assert judged(shown(operator, mine)) == ["APPROVED", "PENDING"]
    assert judged(shown(operator, theirs)) == ["DELETED", "APPROVED"]


def test_a_template_is_deleted_at_meta_for_a_reason(
    operator: Client, meta: Meta, account: BusinessAccount
) -> None:
    press(operator, "submit", **submitted(account))
    template = Template.objects.get()

    without = press(operator, "delete", template)
    assert names_at(meta, account) == ["order"]
    press(operator, "delete", template, reason="not used")

    template.refresh_from_db()
    assert without.context["form"].errors.keys() == {"reason"}
    assert (names_at(meta, account), template.status) == ([], "DELETED")
    assert judged(shown(operator, template)) == ["DELETED", "PENDING"]
    assert press(operator, "delete", template, reason="twice").status_code == 404
    assert AuditEvent.objects.latest("id").reason == "not used"


def test_the_preview_is_filled_with_what_is_typed_or_the_examples(
    operator: Client, account: BusinessAccount
) -> None:
    template = factories.TemplateFactory.create(
        tenant=account.tenant,
        business_account=account,
        components=[
            {"type": "HEADER", "format": "TEXT", "text": "Order {{1}}", "example": {"header_text": ["#7"]}},
            {"type": "BODY", "text": "Hello {{1}}, {{2}}", "example": {"body_text": [["Ana", "now"]]}},
            {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Thanks"}]},
        ],
    )

    first = shown(operator, template)
    typed = shown(operator, template, **{"body.1": "<b>Eva</b>", "body.2": ""})

    assert (first.context["preview"].header, first.context["preview"].body) == ("Order #7", "Hello Ana, now")
    assert first.context["preview"].buttons == ["Thanks"]
    assert typed.context["preview"].body == "Hello <b>Eva</b>, {{2}}"
    assert "Hello &lt;b&gt;Eva&lt;/b&gt;, {{2}}" in typed.content.decode()
