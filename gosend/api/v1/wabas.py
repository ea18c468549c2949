"""WhatsApp Business Accounts: what they are, and where they stand."""

from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet
from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, Field
from rest_framework.response import Response

from accounts.models import ApiKey, BusinessAccount
from gosend.api import errors, pages, schema
from gosend.api.v1 import envelope
from gosend.api.view import TenantRequest, TenantView
from gosend.lib import ids

Row = TypeVar("Row", bound=Model)

INSIDE = schema.inside("waba_id", "Our id of the WhatsApp Business Account, or Meta's.")


class Waba(BaseModel):
    """A WhatsApp Business Account (WABA): it groups numbers and owns templates."""

    id: str = Field(description="Our id.")
    customer_id: str
    waba_id: str = Field(description="Meta's id.")
    business_id: str | None = Field(description="Meta's id of the business that owns it.")
    display_name: str
    status: str = Field(description="`pending`, `active` or `suspended`; a suspended one cannot send.")
    external_reference: str | None
    messaging_limit: str | None = Field(
        description="How many people the business may write to first in 24 hours, in Meta's words."
    )
    created_at: str


class WabaList(TenantView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="v1.wabas.list",
        summary="List WhatsApp Business Accounts, newest first",
        description="Those of the key's environment: a test key sees the sandbox's, a live key Meta's.",
        tags=["WABAs"],
        parameters=schema.PAGING,
        responses=schema.answers({200: [Waba]}, 400),
    )
    def get(self, request: TenantRequest) -> Response:
        page = pages.take(request, _visible(request))
        return Response([_waba(account) for account in page.rows], headers=page.headers)


class WabaDetail(TenantView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="v1.wabas.get",
        summary="Read one WhatsApp Business Account",
        tags=["WABAs"],
        parameters=[INSIDE],
        responses=schema.answers({200: Waba}, 404),
    )
    def get(self, request: TenantRequest, waba_id: str) -> Response:
        return Response(_waba(find(request, waba_id)))


def find(request: TenantRequest, waba_id: str) -> BusinessAccount:
    """The account with this id, ours or Meta's, in the key's project and environment."""
    account = by_either_id(_visible(request), waba_id, metas="waba_id")
    if account is None:
        raise errors.NotFound("No WhatsApp Business Account with this id in this project")
    return account


def by_either_id(rows: QuerySet[Row], text: str, *, metas: str) -> Row | None:
    """Find a row by our id, else by Meta's, which stands in the column `metas`."""
    own_id = ids.parse_id(text)
    wanted = Q(**{metas: text})
    found = list(rows.filter(wanted if own_id is None else wanted | Q(pk=own_id)).order_by("pk")[:2])
    return next((row for row in found if row.pk == own_id), found[0] if found else None)


def _visible(request: TenantRequest) -> QuerySet[BusinessAccount]:
    is_test = request.api_key.environment == ApiKey.Environment.TEST
    return request.tenant.business_accounts.filter(is_sandbox=is_test)


def _waba(account: BusinessAccount) -> dict[str, Any]:
    return Waba(
        id=str(account.pk),
        customer_id=str(account.customer_id),
        waba_id=account.waba_id,
        business_id=account.business_id or None,
        display_name=account.display_name,
        status=account.status,
        external_reference=account.external_reference or None,
        messaging_limit=account.messaging_limit or None,
        created_at=envelope.moment(account.created_at),
    ).model_dump()
