"""The project that the key belongs to."""

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from gosend.api import schema
from gosend.api.v1 import envelope
from gosend.api.view import TenantRequest, TenantView


class MeDetail(TenantView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="v1.me.get",
        summary="Say which project the key belongs to",
        tags=["Account"],
        responses=schema.answers({200: envelope.Me}),
    )
    def get(self, request: TenantRequest) -> Response:
        return Response(envelope.me(request.tenant))
