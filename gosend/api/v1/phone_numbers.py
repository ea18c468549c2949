"""Business phone numbers, as they stand at Meta."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, Field
from rest_framework.response import Response

from accounts.models import ApiKey, PhoneNumber
from gosend.api import errors, pages, schema
from gosend.api.v1 import envelope, wabas
from gosend.api.view import TenantRequest, TenantView


class PhoneNumberOut(BaseModel):
    """A business phone number."""

    id: str = Field(description="Our id.")
    waba_id: str = Field(description="Our id of its WhatsApp Business Account.")
    phone_number_id: str = Field(description="Meta's id: what sending asks for. It never changes.")
    display_phone_number: str
    display_phone_number_normalized: str = Field(description="Digits only.")
    display_name: str
    verified_name: str | None
    quality_rating: str = Field(description="`green`, `yellow`, `red` or `unknown`.")
    throughput_tier: str = Field(description="`standard`, `medium`, `high` or `unlimited`.")
    connection_type: str = Field(description="`dedicated` or `coexistence`.")
    is_coexistence: bool = Field(description="Whether the number also runs the WhatsApp Business app.")
    is_official_business_account: bool
    inbound_processing_enabled: bool
    calls_enabled: bool
    status: str = Field(description="`active`, `disconnected` or `pending`.")
    created_at: str


class WabaPhoneNumbers(TenantView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="v1.wabas.phone_numbers.list",
        summary="List an account's phone numbers, newest first",
        tags=["Phone numbers"],
        parameters=[wabas.INSIDE, *schema.PAGING],
        responses=schema.answers({200: [PhoneNumberOut]}, 400, 404),
    )
    def get(self, request: TenantRequest, waba_id: str) -> Response:
        account = wabas.find(request, waba_id)
        page = pages.take(request, _visible(request).filter(business_account=account))
        return Response([_number(number) for number in page.rows], headers=page.headers)


class PhoneNumberDetail(TenantView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="v1.phone_numbers.get",
        summary="Read one phone number",
        tags=["Phone numbers"],
        parameters=[schema.inside("phone_number_id", "Meta's phone_number_id, or our id.")],
        responses=schema.answers({200: PhoneNumberOut}, 404),
    )
    def get(self, request: TenantRequest, phone_number_id: str) -> Response:
        number = wabas.by_either_id(_visible(request), phone_number_id, metas="phone_number_id")
        if number is None:
            raise errors.NotFound("No phone number with this id in this project")
        return Response(_number(number))


def _visible(request: TenantRequest) -> QuerySet[PhoneNumber]:
    is_test = request.api_key.environment == ApiKey.Environment.TEST
    return request.tenant.phone_numbers.filter(is_sandbox=is_test)


def _number(number: PhoneNumber) -> dict[str, Any]:
    return PhoneNumberOut(
        id=str(number.pk),
        waba_id=str(number.business_account_id),
        phone_number_id=number.phone_number_id,
        display_phone_number=number.display_phone_number,
        display_phone_number_normalized=number.display_phone_number_normalized,
        display_name=number.display_name,
        verified_name=number.verified_name or None,
        quality_rating=number.quality_rating,
        throughput_tier=number.throughput_tier,
        connection_type=number.connection_type,
        is_coexistence=number.is_coexistence,
        is_official_business_account=number.is_official_business_account,
        inbound_processing_enabled=number.inbound_processing_enabled,
        calls_enabled=number.calls_enabled,
        status=number.status,
        created_at=envelope.moment(number.created_at),
    ).model_dump()
