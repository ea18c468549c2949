"""Moments are written in one form that nobody reads in two ways, and typed in as before."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from accounts.models import BusinessAccount
from gosend.lib import moments
from messaging.models import Conversation, Message, ServiceWindow, StatusReport
from tests import factories
from tests.conftest import Party
from tests.console import estate

AT = datetime(2026, 11, 28, 19, 32, 5, tzinfo=UTC)
WRITTEN = "28 Nov 2026, 19:32:05"
# What Django writes by itself, and what we wrote before: months in English letters with a dot, 12 hours, ISO.
OTHERS = re.compile(r"(?:Nov\. \d|\d [ap]\.m\.|\bnoon\b|\bmidnight\b|>[^<]*\b20\d\d-\d\d-\d\d \d\d:\d\d)")


def _dated(row: Any) -> None:
    """Let everything that tells a time tell one and the same."""
    moments_of = [one.name for one in row._meta.fields if one.get_internal_type() == "DateTimeField"]
    if row._meta.label != "accounts.AuditEvent":  # the database refuses to change it
        type(row).objects.filter(pk=row.pk).update(**dict.fromkeys(moments_of, AT))


def test_every_list_and_every_page_writes_moments_in_that_form(operator: Client, acme: Party) -> None:
    rows = estate.build(acme)
    for row in rows.values():
        _dated(row)
    message: Message = rows["messaging_message"]
    report = factories.StatusReportFactory.create(message=message, status="sent", occurred_at=AT)
    factories.ServiceWindowFactory.create(
        phone_number=message.phone_number, contact=message.contact, expires_at=AT
    )
    assert (ServiceWindow.objects.count(), StatusReport.objects.get().pk) == (1, report.pk)
    Conversation.objects.update(status="ended", ended_at=AT)
    with_moments = set()

    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        row = rows[name]
        for url in (
            reverse(f"admin:{name}_changelist"),
            reverse(f"admin:{name}_change", args=[row.pk]),
            reverse(f"admin:{name}_history", args=[row.pk]),
        ):
            page = operator.get(url, follow=True).content.decode()
            assert not OTHERS.search(page), (url, OTHERS.search(page))
            if WRITTEN in page:
                assert "UTC" in page, url
                with_moments.add(url.split("/")[-2] + name)

    assert len(with_moments) > 15


@pytest.mark.parametrize("term", ["message", "contact"])
def test_what_the_search_finds_is_dated_alike(term: str, operator: Client, acme: Party) -> None:
    rows = estate.build(acme)
    for row in rows.values():
        _dated(row)
    factories.ContactFactory.create(phone=estate.PHONE)  # of another tenant: two hits make a list
    asked = {"message": rows["messaging_message"].request_id, "contact": estate.PHONE}[term]
    if term == "message":
        factories.MessageFactory.create(request_id=asked)

    page = operator.get(reverse("admin:messaging_find"), {"q": asked}).content.decode()

    assert f"{WRITTEN} UTC" in page


def test_a_moment_is_typed_in_as_before_and_the_form_says_in_which_zone(
    operator: Client, acme: Party
) -> None:
    account = factories.BusinessAccountFactory.create(tenant=acme.tenant, customer=acme.customer)
    page = reverse("admin:accounts_businessaccount_change", args=[account.pk])
    form = {
        "customer": acme.customer.pk, "status": "active", "display_name": "Acme",
        "token_expires_at_0": "2026-11-28", "token_expires_at_1": "19:32:05",
    }  # fmt: skip

    saved = operator.post(page, form)
    shown = operator.get(page).content.decode()

    assert saved.status_code == 302, saved.context["errors"]
    assert BusinessAccount.objects.get(pk=account.pk).token_expires_at == AT
    assert 'value="2026-11-28"' in shown
    assert 'value="19:32:05"' in shown
    assert "In UTC." in shown


def test_no_moment_is_written_as_nothing() -> None:
    assert (moments.written(AT), moments.day(AT)) == (f"{WRITTEN} UTC", "28 Nov 2026")
    assert (moments.written(None), moments.day(None)) == ("", "")
