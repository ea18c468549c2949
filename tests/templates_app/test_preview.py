"""A template drawn with its places filled, and every judgement of Meta's kept."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from templates_app import preview
from templates_app.models import StatusChange, Template
from tests import factories
from tests.conftest import Party

COMPONENTS = [
    {"type": "HEADER", "format": "TEXT", "text": "Order {{1}}", "example": {"header_text": ["A-1"]}},
    {"type": "BODY", "text": "Hi {{1}}, {{2}}!", "example": {"body_text": [["Ana", "welcome"]]}},
    {"type": "FOOTER", "text": "Acme"},
    {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Stop"}]},
]


def test_places_are_filled_with_what_is_given_and_else_left() -> None:
    template = Template(components=COMPONENTS)

    drawn = preview.draw(template, {"header.1": "B-2", "body.1": "Bo"})

    assert preview.places(template) == {"header.1": "A-1", "body.1": "Ana", "body.2": "welcome"}
    assert (drawn.header, drawn.body, drawn.footer, drawn.buttons) == (
        "Order B-2", "Hi Bo, {{2}}!", "Acme", ["Stop"],
    )  # fmt: skip


def test_named_places_have_their_examples() -> None:
    example = {"body_text_named_params": [{"param_name": "who", "example": "Ana"}]}
    template = Template(components=[{"type": "BODY", "text": "Hi {{who}}", "example": example}])

    assert preview.places(template) == {"body.who": "Ana"}


def test_the_page_escapes_what_is_filled_in(acme: Party, client: Client) -> None:
    template = factories.TemplateFactory.create(tenant=acme.tenant, components=COMPONENTS)
    client.force_login(User.objects.create_superuser("root"))

    url = reverse("admin:templates_app_template_change", args=[template.pk])
    page = client.get(url, {"body.1": "<script>alert(1)</script>"}).content.decode()

    assert "Hi &lt;script&gt;alert(1)&lt;/script&gt;, welcome!" in page
    assert "<script>alert(1)" not in page


@pytest.mark.django_db
def test_every_change_of_status_is_kept_once() -> None:
    template = factories.TemplateFactory.create(status="PENDING")
    template.status = "REJECTED"
    template.rejection_reason = "INVALID_FORMAT"
    template.save()
    template.save()
    Template.objects.filter(pk=template.pk).update(status="APPROVED", rejection_reason="")

    rows = StatusChange.objects.filter(template=template).order_by("id").values_list("status", "reason")
    assert list(rows) == [("PENDING", ""), ("REJECTED", "INVALID_FORMAT"), ("APPROVED", "")]
