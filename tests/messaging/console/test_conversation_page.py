"""A conversation reads like a chat, with its window, its files and its failures."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.urls import reverse
from django.utils import timezone

from accounts import roles
from accounts.models import AuditEvent
from messaging.console import chat, conversation_page
from messaging.console.masking import Veil
from messaging.models import Conversation, Message
from tests import factories
from tests.conftest import Party
from tests.messaging.console.conftest import PHONE, Told, sign_in

OPEN = Veil(is_lifted=True, revealed=frozenset())


def page(conversation: Conversation | None) -> str:
    assert conversation
    return reverse("admin:messaging_conversation_change", args=[conversation.pk])


def said(told: Told, body: dict[str, Any], **fields: Any) -> Message:
    message: Message = factories.MessageFactory.create(
        phone_number=told.party.number,
        contact=told.message.contact,
        conversation=told.message.conversation,
        type=body["type"],
        **fields,
    )
    factories.MessageContentFactory.create(message=message, body=body)
    return message


def test_a_chat_shows_words_templates_and_failures(told: Told) -> None:
    factories.TemplateFactory.create(
        tenant=told.party.tenant,
        business_account=told.party.number.business_account,
        name="order",
        language="es_AR",
        components=[
            {"type": "HEADER", "format": "TEXT", "text": "Pedido {{1}}"},
            {"type": "BODY", "text": "Hola {{1}}, sale {{2}}."},
            {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Gracias"}]},
        ],
    )
    text = {"type": "text"}
    components = [
        {"type": "header", "parameters": [text | {"text": "17"}]},
        {"type": "body", "parameters": [text | {"text": "<b>Ana</b>"}, text | {"text": "hoy"}]},
    ]
    sent = {"name": "order", "language": {"code": "es_AR"}, "components": components}
    said(told, {"type": "template", "template": sent}, status="read")

    html = sign_in(roles.SUPPORT, told.party).get(page(told.message.conversation)).content.decode()

    for part in (
        "Pedido 17", "Hola &lt;b&gt;Ana&lt;/b&gt;, sale hoy.", "Gracias",
        "✓✓", "Failed: Message undeliverable",
        "gs-failed", "Juan", "54911•••3456",
    ):  # fmt: skip
        assert part in html, part
    assert PHONE not in html


@pytest.mark.parametrize(("hours", "words"), [(3, "Window open"), (-3, "Window closed"), (None, "No window")])
def test_the_window_is_counted_down(hours: int | None, words: str, told: Told) -> None:
    if hours is not None:
        factories.ServiceWindowFactory.create(
            phone_number=told.party.number,
            contact=told.message.contact,
            expires_at=timezone.now() + timedelta(hours=hours, seconds=5),
        )

    html = sign_in(roles.SUPPORT, told.party).get(page(told.message.conversation)).content.decode()

    assert words in html
    assert ("data-countdown" in html) is (hours == 3)


def test_a_chat_is_read_page_by_page(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "PER_PAGE", 2)
    for place in range(4):
        said(told, {"type": "text", "text": {"body": f"line {place}"}})
    conversation = told.message.conversation
    assert conversation

    newest = chat.read(conversation, before=None, after=None, veil=OPEN)
    older = chat.read(conversation, before=newest.older, after=None, veil=OPEN)
    again = chat.read(conversation, before=None, after=older.newer, veil=OPEN)

    assert [line.bubble.text for line in newest.lines] == ["line 2", "line 3"]
    assert [line.bubble.text for line in older.lines] == ["line 0", "line 1"]
    assert [line.bubble.text for line in again.lines] == ["line 2", "line 3"]
    assert (newest.newer, again.newer) == (None, None)


@pytest.mark.parametrize(
    ("mime_type", "way", "kind"),
    [
        ("image/png", "inline", "image/png"),
        ("image/svg+xml", "attachment", "application/octet-stream"),
        ("text/html", "attachment", "application/octet-stream"),
    ],
)
def test_a_file_is_shown_to_who_may_see_it_and_never_run(
    mime_type: str, way: str, kind: str, told: Told, globex: Party, settings: Any, tmp_path: Path
) -> None:
    settings.MEDIA_ROOT = tmp_path
    message = said(told, {"type": "image", "image": {"id": "1"}}, direction="inbound", status="received")
    path = default_storage.save("file", ContentFile(b"bytes"))
    file = factories.MediaFileFactory.create(
        phone_number=told.party.number, message=message, mime_type=mime_type, state="kept", path=path
    )
    url = reverse("admin:messaging_media", args=[file.pk])

    answer = sign_in(roles.SUPPORT, told.party).get(url)
    refused = sign_in(roles.AUDITOR, globex).get(url)

    assert b"".join(answer.streaming_content) == b"bytes"  # type: ignore[attr-defined]
    assert answer["Content-Disposition"].startswith(way)
    assert (answer["Content-Type"], answer["X-Content-Type-Options"]) == (kind, "nosniff")
    assert refused.status_code == 404
    (row,) = AuditEvent.objects.filter(action="file.opened")
    assert (row.actor, row.subject_id, row.tenant_id) == ("support", str(file.pk), told.party.tenant.pk)


def test_a_list_of_conversations_and_contacts_finds_by_number(told: Told) -> None:
    client = sign_in(roles.SUPPORT, told.party)

    for name in ("conversation", "contact"):
        url = reverse(f"admin:messaging_{name}_changelist")
        found, missed = client.get(url, {"q": "+54 911 4012-3456"}), client.get(url, {"q": "5491100000000"})
        assert [len(one.context["cl"].result_list) for one in (found, missed)] == [1, 0]
        assert PHONE not in found.content.decode()


def test_a_contacts_page_reveals_for_a_reason(told: Told) -> None:
    client = sign_in(roles.SUPPORT, told.party)
    contact = told.message.contact
    assert contact
    url = reverse("admin:messaging_contact_change", args=[contact.pk])

    masked = client.get(url).content.decode()
    client.post(reverse("admin:messaging_contact_reveal", args=[contact.pk]), {"reason": "ticket 4711"})

    assert PHONE not in masked
    assert AuditEvent.objects.get(action="contact.viewed").subject_id == str(contact.pk)
    assert PHONE in client.get(url).content.decode()


@pytest.mark.parametrize(
    "lookup",
    [
        "phone__startswith=54911",
        "phone__gte=5",
        "user_id__contains=A",
        "phone__regex=(",
        "tenant__id=%00",
    ],
)
def test_a_list_answers_no_question_about_what_it_masks(lookup: str, told: Told) -> None:
    """Or a number is read out digit by digit, without a reveal."""
    contacts = reverse("admin:messaging_contact_changelist")

    answer = sign_in(roles.SUPPORT, told.party).get(f"{contacts}?{lookup}")

    assert answer.status_code == 400


def test_a_list_is_filtered_by_what_it_offers(told: Told) -> None:
    client = sign_in(roles.OPERATOR, told.party)
    account, tenant = told.party.number.business_account, told.party.tenant
    for page, query in (
        ("accounts_businessaccount", "status__exact=active&is_sandbox__exact=0"),
        ("accounts_apikey", f"tenant__id__exact={tenant.pk}&environment__exact=test"),
        ("accounts_user", "groups__id__exact=1&is_staff__exact=1"),
        ("accounts_user", "groups__isnull=True"),
        ("messaging_contact", f"id__exact={account.pk}"),
    ):
        assert client.get(f"{reverse(f'admin:{page}_changelist')}?{query}").status_code == 200, page


def test_a_search_finds_a_persons_own_rows_however_many_others_know_the_number(
    told: Told, globex: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation_page, "_CONTACTS_MAX", 1)
    later = factories.ContactFactory.create(
        tenant=globex.tenant, business_account=globex.number.business_account, phone=PHONE
    )
    factories.ConversationFactory.create(phone_number=globex.number, contact=later)
    client = sign_in(roles.SUPPORT, globex)

    for name in ("conversation", "contact"):
        answer = client.get(reverse(f"admin:messaging_{name}_changelist"), {"q": PHONE})
        assert [row.tenant_id for row in answer.context["cl"].result_list] == [globex.tenant.pk], name
