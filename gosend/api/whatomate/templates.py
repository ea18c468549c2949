"""The templates of all accounts: list, search, read."""

from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, Field
from rest_framework.response import Response

from accounts.models import ApiKey, PhoneNumber
from gosend.api import errors, schema
from gosend.api.view import TenantRequest
from gosend.api.whatomate import envelope, paging, uuids
from gosend.lib import ids
from messaging import senders
from templates_app import parameters
from templates_app.models import Template


class WhatomateTemplate(BaseModel):
    """One template in one language, in Whatomate's flat fields and in Meta's components."""

    id: str
    whatsapp_account: str = Field(description="A number of the account that has it.")
    meta_template_id: str
    name: str
    display_name: str
    language: str
    category: str
    status: str
    header_type: str
    header_content: str
    body_content: str
    footer_content: str
    buttons: list[dict[str, Any]]
    param_names: list[str] = Field(description="What `template_params` fills, in this order.")
    parameter_format: str
    components: list[dict[str, Any]]
    rejection_reason: str
    quality_rating: str
    created_at: str
    updated_at: str


class TemplatePage(BaseModel):
    """A page of templates, newest first; `items` and `templates` are the same."""

    items: list[WhatomateTemplate]
    templates: list[WhatomateTemplate]
    total: int
    total_is_capped: bool | None = None
    page: int
    limit: int


class TemplateList(envelope.WhatomateView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="whatomate.templates.list",
        summary="List templates, newest first",
        tags=["Templates"],
        parameters=[
            *paging.PARAMETERS,
            schema.optional("status", "Only this status; `DELETED` ones are left out otherwise."),
            schema.optional("category", "Only this category."),
            schema.optional("account", "Only templates of this WhatsApp account."),
            schema.optional("search", "Part of the name."),
            schema.optional("language", "Only this language, such as `en_US`."),
        ],
        responses=envelope.answers(TemplatePage, 404, 409),
    )
    def get(self, request: TenantRequest) -> Response:
        place = paging.asked(request)
        rows = _filtered(request)
        names = _names(request)
        totals = paging.totals(rows, place)
        written = [_template(one, names) for one in paging.cut(rows.order_by("-pk"), place)]
        return envelope.success({"items": written, "templates": written, **totals})


class TemplateDetail(envelope.WhatomateView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="whatomate.templates.get",
        summary="Read one template",
        tags=["Templates"],
        parameters=[schema.inside("template_id", "The template's id, or Meta's.")],
        responses=envelope.answers(WhatomateTemplate, 404),
    )
    def get(self, request: TenantRequest, template_id: str) -> Response:
        rows = _visible(request)
        if (number := ids.parse_id(template_id)) is not None:
            rows = rows.filter(Q(pk=number) | Q(meta_template_id=template_id))
        else:
            rows = rows.filter(pk=uuids.read(uuids.TEMPLATE, template_id, field="template_id"))
        template = rows.first()
        if template is None:
            raise errors.NotFound("Template not found")
        return envelope.success(_template(template, _names(request)))


def _visible(request: TenantRequest) -> QuerySet[Template]:
    is_test = request.api_key.environment == ApiKey.Environment.TEST
    return Template.objects.filter(tenant=request.tenant, business_account__is_sandbox=is_test)


def _filtered(request: TenantRequest) -> QuerySet[Template]:
    asked = request.query_params
    rows = _visible(request)
    status = asked.get("status", "").upper()
    rows = rows.filter(status=status) if status else rows.exclude(status=Template.Status.DELETED)
    if category := asked.get("category"):
        rows = rows.filter(category=category.upper())
    if language := asked.get("language"):
        rows = rows.filter(language=language)
    if search := asked.get("search"):
        rows = rows.filter(name__icontains=search[:512])
    if account := asked.get("account"):
        number = senders.choose(tenant=request.tenant, environment=request.api_key.environment, name=account)
        rows = rows.filter(business_account_id=number.business_account_id)
    return rows


def _names(request: TenantRequest) -> dict[int, str]:
    """What the number that speaks for an account is called."""
    numbers: list[PhoneNumber] = list(
        senders.all_of(tenant=request.tenant, environment=request.api_key.environment)
    )
    return {number.business_account_id: senders.name_of(number) for number in reversed(numbers)}


def _template(template: Template, names: dict[int, str]) -> dict[str, Any]:
    parts = [part for part in template.components if isinstance(part, dict)]
    by_kind = {str(part.get("type", "")).upper(): part for part in parts}
    header, body = by_kind.get("HEADER", {}), by_kind.get("BODY", {})
    buttons = by_kind.get("BUTTONS", {}).get("buttons")
    return {
        "id": uuids.write(uuids.TEMPLATE, template.pk),
        "whatsapp_account": names.get(template.business_account_id, ""),
        "meta_template_id": template.meta_template_id,
        "name": template.name,
        "display_name": template.name.replace("_", " ").title(),
        "language": template.language,
        "category": template.category,
        "status": template.status,
        "header_type": str(header.get("format") or ("TEXT" if header else "NONE")).upper(),
        "header_content": str(header.get("text") or ""),
        "body_content": str(body.get("text") or ""),
        "footer_content": str(by_kind.get("FOOTER", {}).get("text") or ""),
        "buttons": [one for one in buttons if isinstance(one, dict)] if isinstance(buttons, list) else [],
        "param_names": parameters.places(str(body.get("text") or "")),
        "parameter_format": template.parameter_format,
        "components": parts,
        "rejection_reason": template.rejection_reason,
        "quality_rating": template.quality_score or "UNKNOWN",
        "created_at": envelope.moment(template.created_at),
        "updated_at": envelope.moment(template.updated_at),
    }
