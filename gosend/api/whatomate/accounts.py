"""WhatsApp accounts, as Whatomate calls numbers; and the key that asks."""

from typing import Any

from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, Field
from rest_framework.response import Response

from accounts.models import PhoneNumber
from gosend.api import errors, schema
from gosend.api.view import TenantRequest
from gosend.api.whatomate import envelope, uuids
from messaging import senders


class WhatomateAccount(BaseModel):
    """One number. Its `name` is what `account_name` and `whatsapp_account` take; `phone_id` does as well."""

    id: str
    name: str
    phone_id: str = Field(description="Meta's phone_number_id.")
    business_id: str = Field(description="Meta's id of the WhatsApp Business Account.")
    phone_number: str
    display_name: str
    status: str
    quality_rating: str
    is_default_outgoing: bool
    is_default_incoming: bool
    is_sandbox: bool
    created_at: str


class AccountAll(BaseModel):
    """Every account of the key's environment."""

    accounts: list[WhatomateAccount]
    items: list[WhatomateAccount]


class KeyInfo(BaseModel):
    """The key that asked; a 200 says that it counts."""

    id: str
    name: str
    key_prefix: str
    environment: str = Field(description="`live` or `test`.")
    scopes: list[str]
    organization_id: str
    organization_name: str
    is_active: bool
    expires_at: str | None
    created_at: str


class AccountList(envelope.WhatomateView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="whatomate.accounts.list",
        summary="List the WhatsApp accounts",
        tags=["Accounts"],
        responses=envelope.answers(AccountAll),
    )
    def get(self, request: TenantRequest) -> Response:
        written = _all(request)
        return envelope.success({"accounts": written, "items": written})


class AccountDetail(envelope.WhatomateView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="whatomate.accounts.get",
        summary="Read one WhatsApp account",
        tags=["Accounts"],
        parameters=[schema.inside("account_id", "The account's id, or Meta's phone_number_id.")],
        responses=envelope.answers(WhatomateAccount, 404),
    )
    def get(self, request: TenantRequest, account_id: str) -> Response:
        own_id = uuids.write(uuids.ACCOUNT, uuids.read(uuids.ACCOUNT, account_id, field="account_id"))
        found = next(
            (one for one in _all(request) if account_id == one["phone_id"] or own_id == one["id"]), None
        )
        if found is None:
            raise errors.NotFound("Account not found")
        return envelope.success(found)


class KeyCheck(envelope.WhatomateView):
    @extend_schema(
        operation_id="whatomate.me.get",
        summary="Check the API key",
        tags=["Accounts"],
        responses=envelope.answers(KeyInfo),
    )
    def get(self, request: TenantRequest) -> Response:
        key = request.api_key
        return envelope.success(
            {
                "id": uuids.write(uuids.KEY, key.pk),
                "name": key.label,
                "key_prefix": key.prefix,
                "environment": key.environment,
                "scopes": list(key.scopes),
                "organization_id": uuids.write(uuids.PROJECT, request.tenant.pk),
                "organization_name": request.tenant.name,
                "is_active": True,
                "expires_at": envelope.moment(key.expires_at),
                "created_at": envelope.moment(key.created_at),
            }
        )


def _all(request: TenantRequest) -> list[dict[str, Any]]:
    numbers = list(senders.all_of(tenant=request.tenant, environment=request.api_key.environment))
    active = [number for number in numbers if number.status == PhoneNumber.Status.ACTIVE]
    default = next(iter([*active, *numbers]), None)
    return [_account(number, is_default=number == default) for number in numbers]


def _account(number: PhoneNumber, *, is_default: bool) -> dict[str, Any]:
    return {
        "id": uuids.write(uuids.ACCOUNT, number.pk),
        "name": senders.name_of(number),
        "phone_id": number.phone_number_id,
        "business_id": number.business_account.waba_id,
        "phone_number": number.display_phone_number,
        "display_name": number.verified_name or number.display_name,
        "status": number.status,
        "quality_rating": number.quality_rating.upper(),
        "is_default_outgoing": is_default,
        "is_default_incoming": is_default,
        "is_sandbox": number.is_sandbox,
        "created_at": envelope.moment(number.created_at),
    }
