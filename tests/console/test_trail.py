"""Every button does what it says for an operator, once, and leaves one row in the audit trail."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.acts import Act
from accounts.models import AuditEvent
from tests.conftest import Party
from tests.console import addresses, estate
from tests.templates_app.conftest import Meta

ACTS = list(addresses.acts())
# What a row has to be before its button is there.
BEFORE: dict[tuple[str, str], dict[str, Any]] = {
    ("accounts_tenant", "resume"): {"status": "suspended"},
    ("accounts_phonenumber", "resume"): {
        "held_for": "spam", "held_until": datetime.now(UTC) + timedelta(hours=1),
    },
    ("accounts_phonenumber", "write"): {"is_sandbox": True},
    ("accounts_phonenumber", "start"): {"stopped_at": datetime(2026, 1, 1, tzinfo=UTC)},
    ("webhooks_app_webhookendpoint", "test"): {"url": "http://127.0.0.1:1/"},
    ("webhooks_app_webhookendpoint", "enable"): {"is_enabled": False},
}  # fmt: skip


@pytest.mark.parametrize(("model", "act"), ACTS, ids=[f"{model}-{act.name}" for model, act in ACTS])
def test_a_button_does_its_work_and_leaves_one_row(
    model: str, act: Act, operator: Client, acme: Party, meta: Meta
) -> None:
    rows = estate.build(acme)
    row = rows[model]
    if change := BEFORE.get((model, act.name)):
        type(row).objects.filter(pk=row.pk).update(**change)
    meta.put(estate.WABA_ID, rows["templates_app_template"].name)
    before = set(AuditEvent.objects.values_list("pk", flat=True))

    answer = operator.post(addresses.of_act(model, act, row), addresses.filled(rows))

    context = answer.context or {}
    assert answer.status_code == 302 or "done" in context, context["form"].errors
    told = AuditEvent.objects.exclude(pk__in=before).exclude(action="secret.shown").get()
    has_reason = "reason" in act.form.base_fields
    of_its_own = context["done"].recorded_as if "done" in context else ""  # where Meta refused
    assert (told.action, told.actor) == (of_its_own or act.recorded_as, "operator")
    assert told.reason == ("ticket 4711" if has_reason else "")
    shown = AuditEvent.objects.filter(action="secret.shown").count()
    assert shown == (1 if answer.status_code == 200 and context["done"].secret else 0)
