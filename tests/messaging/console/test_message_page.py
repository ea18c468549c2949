"""A message's page tells all that is known, hides the number, and changes nothing."""

import re
import time

import pytest
from django.urls import reverse

from accounts import roles
from accounts.models import AuditEvent
from messaging.console import masking
from tests import factories
from tests.conftest import Party
from tests.messaging.console.conftest import PHONE, WAMID, Told, sign_in
from webhooks_app.models import Attempt


def page(told: Told) -> str:
    return reverse("admin:messaging_message_change", args=[told.message.pk])


def test_the_story_is_told(told: Told) -> None:
    html = sign_in(roles.SUPPORT, told.party).get(page(told)).content.decode()

    for part in (
        "Failed", "131026", "Message undeliverable",
        "What to do:", "req_0123456789abcdef", "order-17",
        WAMID[-8:], "message.failed", "hooks.example.com", "no such customer", "Native",
        "Hola", "1 time",
    ):  # fmt: skip
        assert part in html, part


def test_what_meta_reported_is_told_once_with_its_words(told: Told) -> None:
    html = sign_in(roles.SUPPORT, told.party).get(page(told)).content.decode()

    history = html.split('id="gs-history"')[1].split("</ol>")[0]
    assert re.findall(r'<span class="gs-soft">(\w+)</span>', history) == ["GoSend", "Meta"]


@pytest.mark.parametrize(
    ("state", "words"),
    [("unknown", "It is not sent again"), ("queued", "goes out as the number"), ("sending", "in hand")],
)
def test_what_is_not_settled_is_explained(state: str, words: str, told: Told) -> None:
    told.message.status = state
    told.message.error = None
    told.message.save()
    factories.DispatchFactory.create(message=told.message, state=state)

    assert words in sign_in(roles.SUPPORT, told.party).get(page(told)).content.decode()


def test_the_number_is_nowhere_until_it_is_revealed_for_a_reason(told: Told) -> None:
    client = sign_in(roles.SUPPORT, told.party)
    reveal = reverse("admin:messaging_message_reveal", args=[told.message.pk])

    masked = client.get(page(told)).content.decode()
    client.post(reveal, {"reason": " no "})
    still = client.get(page(told)).content.decode()
    client.post(reveal, {"reason": "ticket 4711"})
    shown = client.get(page(told)).content.decode()

    assert [PHONE in html for html in (masked, still, shown)] == [False, False, True]
    assert [WAMID in html for html in (masked, still, shown)] == [False, False, True]
    (row,) = AuditEvent.objects.filter(action="message.revealed")
    assert (row.actor, row.subject_id, row.reason) == ("support", str(told.message.pk), "ticket 4711")
    assert AuditEvent.objects.filter(action="message.viewed").count() == 3
    assert PHONE not in str(list(AuditEvent.objects.values()))


def test_a_reason_with_what_no_text_holds_reveals_nothing(told: Told) -> None:
    client = sign_in(roles.SUPPORT, told.party)
    reveal = reverse("admin:messaging_message_reveal", args=[told.message.pk])

    answer = client.post(reveal, {"reason": "ticket \x00 4711"})

    assert answer.status_code == 302
    assert PHONE not in client.get(page(told)).content.decode()


def test_numbers_in_whatsapps_words_and_in_errors_are_masked(told: Told) -> None:
    """Also ones that nobody knows, such as the number that a customer changed to."""
    new, words = "5491199990000", f"User Juan changed from {PHONE} to 5491199990000"
    told.message.type = "system"
    told.message.error = {"code": 131026, "title": f"No {new}", "message": f"{new} is unknown", "details": ""}
    told.message.save()
    content = told.message.content
    content.body = {"type": "system", "system": {"body": words, "type": "user_changed_number", "wa_id": new}}
    content.save()
    assert told.message.conversation
    chat = reverse("admin:messaging_conversation_change", args=[told.message.conversation.pk])
    log = reverse("admin:messaging_message_changelist")
    support, operator = sign_in(roles.SUPPORT, told.party), sign_in(roles.OPERATOR, told.party)

    for url in (page(told), chat, log):
        masked, shown = (client.get(url).content.decode() for client in (support, operator))
        assert new not in masked, url
        assert PHONE not in masked, url
        assert new in shown, url


def test_what_was_revealed_is_hidden_again(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    client = sign_in(roles.SUPPORT, told.party)
    client.post(reverse("admin:messaging_message_reveal", args=[told.message.pk]), {"reason": "ticket 4711"})
    later = time.time() + masking.REVEALED_SECONDS + 1

    monkeypatch.setattr(time, "time", lambda: later)

    assert PHONE not in client.get(page(told)).content.decode()


def test_a_receivers_answer_does_not_give_the_number_away(told: Told) -> None:
    attempt = Attempt.objects.get()
    pages = [
        reverse("admin:webhooks_app_delivery_change", args=[attempt.delivery_id]),
        reverse("admin:webhooks_app_attempt_change", args=[attempt.pk]),
    ]

    support, operator = sign_in(roles.SUPPORT, told.party), sign_in(roles.OPERATOR, told.party)

    assert [PHONE in support.get(one).content.decode() for one in pages] == [False, False]
    assert [PHONE in operator.get(one).content.decode() for one in pages] == [True, False]


@pytest.mark.parametrize("role", [roles.SUPPORT, roles.OPERATOR, roles.AUDITOR])
def test_nobody_changes_a_message(role: str, told: Told) -> None:
    client = sign_in(role, told.party)

    client.post(page(told), {"status": "read"})
    deleted = client.post(reverse("admin:messaging_message_delete", args=[told.message.pk]), {"post": "yes"})

    told.message.refresh_from_db()
    assert (told.message.status, deleted.status_code) == ("failed", 403)


def test_a_stranger_meets_nothing(told: Told, globex: Party) -> None:
    client = sign_in(roles.SUPPORT, globex)

    opened = client.get(page(told))
    client.post(reverse("admin:messaging_message_reveal", args=[told.message.pk]), {"reason": "ticket 4711"})

    assert opened["Location"] == "/console/"
    assert not AuditEvent.objects.filter(action__startswith="message.").exists()


def test_the_page_costs_a_bounded_number_of_queries(
    told: Told, django_assert_max_num_queries: pytest.FixtureRequest
) -> None:
    client = sign_in(roles.SUPPORT, told.party)

    with django_assert_max_num_queries(30):  # type: ignore[operator]
        assert client.get(page(told)).status_code == 200
