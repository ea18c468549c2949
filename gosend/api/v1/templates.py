"""Message templates: list, create, delete, and read again from Meta."""

from dataclasses import asdict
from typing import Any, cast

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, ConfigDict, Field
from rest_framework.response import Response

from accounts.models import BusinessAccount
from gosend.api import errors, filters, pages, schema
from gosend.api.v1 import envelope, examples, wabas
from gosend.api.view import TenantRequest, TenantView
from messaging import idempotency
from templates_app import submit, sync
from templates_app.models import Template

_INSIDE = schema.inside("template_id", "Our id of the template, or Meta's.")


class TemplateIn(BaseModel):
    """A template as Meta takes it; further fields of Meta's are passed on."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(description="1 to 512 lower-case letters, digits and underscores.")
    language: str = Field(description="Such as `en_US` or `es`.")
    category: str = Field(description="`UTILITY`, `MARKETING` or `AUTHENTICATION`.")
    components: list[dict[str, Any]] = Field(
        description="HEADER, BODY, FOOTER, BUTTONS, CAROUSEL and LIMITED_TIME_OFFER, as Meta defines them."
    )
    parameter_format: str | None = Field(None, description="`positional`, unless it is `named`.")


class TemplateOut(BaseModel):
    """Our copy of one template in one language."""

    id: str = Field(description="Our id.")
    waba_id: str = Field(description="Our id of its WhatsApp Business Account.")
    meta_template_id: str | None
    name: str
    language: str
    category: str
    status: str = Field(description="`PENDING`, `APPROVED`, `REJECTED`, `PAUSED` …, as Meta says it.")
    components: list[dict[str, Any]]
    parameter_format: str
    rejection_reason: str | None
    quality_score: str | None
    created_at: str
    updated_at: str
    last_synced_at: str | None


class Synced(BaseModel):
    """What a sync changed; `total` is how many templates Meta has."""

    created: int
    updated: int
    deleted: int
    total: int


class TemplateFilter(django_filters.FilterSet):  # type: ignore[misc]  # it has no types
    """What the list may be narrowed to. Deleted templates are listed only when they are asked for."""

    status = django_filters.ChoiceFilter(choices=Template.Status.choices)
    category = django_filters.ChoiceFilter(choices=Template.Category.choices)
    language = django_filters.CharFilter()
    name = django_filters.CharFilter()

    class Meta:
        model = Template
        fields = ("status", "category", "language", "name")


class TemplateList(TenantView):
    scopes = {"GET": "read", "POST": "manage"}
    # Meta is called, and nothing is undone there when a transaction here is.
    is_transactional = False

    @extend_schema(
        operation_id="v1.templates.list",
        summary="List an account's templates, newest first",
        tags=["Templates"],
        parameters=[
            wabas.INSIDE,
            schema.query(
                "status",
                "Only templates in this status. `DELETED` ones are left out otherwise.",
                allowed=Template.Status.values,
            ),
            schema.query("category", "Only one category.", allowed=Template.Category.values),
            schema.query("language", "Only one language, such as `en_US`."),
            schema.query("name", "Only templates of this name."),
            *schema.PAGING,
        ],
        responses=schema.answers({200: [TemplateOut]}, 400, 404),
    )
    def get(self, request: TenantRequest, waba_id: str) -> Response:
        account = wabas.find(request, waba_id)
        page = pages.take(request, _filtered(request, account))
        return Response([_template(template) for template in page.rows], headers=page.headers)

    @extend_schema(
        operation_id="v1.templates.create",
        summary="Submit a template for Meta's review",
        description="It is checked by Meta's rules first; every violation is told with its path, the limit"
        " and the value. The review's result comes as a webhook. In test mode the name decides it: with"
        " `_reject`, `_pause` or `_pending` in it as they say, any other is approved after two seconds.",
        tags=["Templates"],
        parameters=[wabas.INSIDE, schema.IDEMPOTENCY_KEY],
        request={"application/json": schema.of(TemplateIn)},
        examples=examples.of("template", examples.TEMPLATE),
        responses=schema.answers({201: TemplateOut}, 400, 404, 409, 413, 415, 422, 503),
    )
    def post(self, request: TenantRequest, waba_id: str) -> Response:
        account = wabas.find(request, waba_id)
        template = submit.create(account=account, definition=cast(dict[str, Any], request.data))
        _claim(request)
        return Response(_template(template), status=201)


class TemplateSync(TenantView):
    scopes = {"POST": "manage"}
    is_transactional = False

    @extend_schema(
        operation_id="v1.templates.sync",
        summary="Read an account's templates again from Meta",
        description="New ones are added, changed ones updated, and those that Meta no longer has are"
        " marked `DELETED`.",
        tags=["Templates"],
        parameters=[wabas.INSIDE, schema.IDEMPOTENCY_KEY],
        request=None,
        responses=schema.answers({200: Synced}, 400, 404, 409, 413, 415, 422, 503),
    )
    def post(self, request: TenantRequest, waba_id: str) -> Response:
        counts = sync.sync(account=wabas.find(request, waba_id))
        _claim(request)
        return Response(Synced(**asdict(counts)).model_dump())


class TemplateDetail(TenantView):
    scopes = {"GET": "read", "DELETE": "manage"}

    @extend_schema(
        operation_id="v1.templates.get",
        summary="Read one template",
        tags=["Templates"],
        parameters=[wabas.INSIDE, _INSIDE],
        responses=schema.answers({200: TemplateOut}, 404),
    )
    def get(self, request: TenantRequest, waba_id: str, template_id: str) -> Response:
        _, template = _find(request, waba_id, template_id)
        return Response(_template(template))

    @extend_schema(
        operation_id="v1.templates.delete",
        summary="Delete one language of a template at Meta",
        description="Meta keeps the name of an approved template locked for 30 days.",
        tags=["Templates"],
        parameters=[wabas.INSIDE, _INSIDE],
        responses=schema.answers({204: None}, 404, 409, 422, 503),
    )
    def delete(self, request: TenantRequest, waba_id: str, template_id: str) -> Response:
        account, template = _find(request, waba_id, template_id)
        if template.status == Template.Status.DELETED:
            raise _not_found()
        submit.delete(account=account, template=template)
        return Response(status=204)


def _find(request: TenantRequest, waba_id: str, template_id: str) -> tuple[BusinessAccount, Template]:
    """The account and its template; one answer for both when there is none, so that neither shows."""
    try:
        account = wabas.find(request, waba_id)
    except errors.NotFound:
        raise _not_found() from None
    rows = Template.objects.filter(business_account=account)
    template = wabas.by_either_id(rows, template_id, metas="meta_template_id")
    if template is None:
        raise _not_found()
    return account, template


def _not_found() -> errors.NotFound:
    return errors.NotFound("No template with this id in this WhatsApp Business Account")


def _filtered(request: TenantRequest, account: BusinessAccount) -> QuerySet[Template]:
    rows = Template.objects.filter(business_account=account)
    if not request.query_params.get("status"):
        rows = rows.exclude(status=Template.Status.DELETED)
    return filters.apply(TemplateFilter, request, rows)


def _claim(request: TenantRequest) -> None:
    """Take the Idempotency-Key once it is done: Meta itself refuses the same name and language twice."""
    if request.once is not None:
        idempotency.claim(request.once)


def _template(template: Template) -> dict[str, Any]:
    synced_at = template.last_synced_at
    return TemplateOut(
        id=str(template.pk),
        waba_id=str(template.business_account_id),
        meta_template_id=template.meta_template_id or None,
        name=template.name,
        language=template.language,
        category=template.category,
        status=template.status,
        components=[piece for piece in template.components if isinstance(piece, dict)],
        parameter_format=template.parameter_format,
        rejection_reason=template.rejection_reason or None,
        quality_score=template.quality_score or None,
        created_at=envelope.moment(template.created_at),
        updated_at=envelope.moment(template.updated_at),
        last_synced_at=None if synced_at is None else envelope.moment(synced_at),
    ).model_dump()
