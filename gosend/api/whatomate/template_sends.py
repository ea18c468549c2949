"""Send a template, to a contact or to a phone number."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from gosend.api import errors, schema
from gosend.api.view import TenantRequest
from gosend.api.whatomate import (
    bodies,
    envelope,
    fields,
    forms,
    message_out,
    sends,
    template_words,
    uuids,
)
from gosend.lib import ids
from messaging import people, senders
from messaging.models import Contact
from templates_app import catalog
from templates_app.models import Template


class TemplateSend(forms.FormView):
    scopes = {"POST": "send"}
    # As printed: the answer says pending, and a worker sends.
    answers_early = True

    @extend_schema(
        operation_id="whatomate.messages.send_template",
        summary="Send a template",
        description="Answers `pending` at once, as documented; `?async=false` answers what WhatsApp said."
        " A template that is approved in several languages needs `language` or `template_id`.",
        tags=["Messages"],
        parameters=[sends.ASYNC, schema.IDEMPOTENCY_KEY],
        request={"application/json": bodies.TEMPLATE, "multipart/form-data": bodies.TEMPLATE_FORM},
        examples=bodies.examples("template"),
        responses=envelope.answers(message_out.WhatomateMessage, 403, 404, 409, 413, 415, 422, 503),
    )
    def post(self, request: TenantRequest) -> Response:
        data = forms.read(request)
        on_template = _named(data)
        contact, to = _recipient(request, data)
        choice = senders.choose_with_template(
            tenant=request.tenant,
            environment=request.api_key.environment,
            template=on_template,
            language=fields.text(data, "language"),
            name=fields.text(data, "account_name", "whatsapp_account"),
            contact=contact,
        )
        if choice.template.status != Template.Status.APPROVED:
            held = choice.template
            catalog.require_approved(number=choice.number, name=held.name, language=held.language)
        words = template_words.read(data)
        file = forms.file_of(data, "header_file")
        if file is not None:
            kind = template_words.header_kind(choice.template)
            if not kind:
                raise template_words.no_file_header("header_file")
            template_words.fill(choice.template, template_words.read(data, media_id="0"))
            media_id = forms.upload(request, file, number=choice.number, kind=kind.lower())
            named = {"header_media_filename": file.name or "", **data}
            words = template_words.read(named, media_id=media_id)
        return self.send(
            request,
            number=choice.number,
            to=to,
            content=template_words.fill(choice.template, words),
            contact=contact,
        )


def _recipient(request: TenantRequest, data: Mapping[str, Any]) -> tuple[Contact | None, str]:
    """The person, if they are known, and what to write to."""
    if contact_id := fields.text(data, "contact_id"):
        contact = sends.find_contact(request, contact_id)
        return contact, sends.recipient(contact)
    to = fields.phone_number(data)
    if not to:
        raise errors.MissingField(
            "Either contact_id or phone_number is required", details={"field": "phone_number"}
        )
    known = people.by_phone(tenant=request.tenant, environment=request.api_key.environment, phone=to)
    return known, to


def _named(data: Mapping[str, Any]) -> Q:
    """Which template, by our id, by Meta's, or by name."""
    if template_id := fields.text(data, "template_id"):
        if ids.parse_id(template_id) is not None:
            return Q(("meta_template_id", template_id), ("pk", ids.parse_id(template_id)), _connector=Q.OR)
        return Q(pk=uuids.read(uuids.TEMPLATE, template_id, field="template_id"))
    if name := fields.text(data, "template_name"):
        return Q(name=name)
    raise errors.MissingField(
        "Either template_name or template_id is required", details={"field": "template_name"}
    )
