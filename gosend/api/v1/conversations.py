"""The records of exchanges: list them, read one, close one."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, Field
from rest_framework.response import Response

from accounts.models import ApiKey
from gosend.api import errors, filters, pages, schema
from gosend.api.v1 import envelope
from gosend.api.view import TenantRequest, TenantView
from gosend.lib import ids
from messaging import endings
from messaging.models import Conversation, ServiceWindow

Rows = QuerySet[Conversation]
# (number, contact) → until when free-form messages may go there.
Windows = dict[tuple[int, int], datetime]


class ConversationOut(BaseModel):
    """The record of an exchange with one person; it ends 24 hours after the last message."""

    id: str
    tenant_id: str
    customer_id: str | None
    phone_number_id: str
    contact_phone: str | None = Field(description="Null for a person known by user id alone.")
    contact_user_id: str | None
    contact_name: str | None
    status: str = Field(description="`active`, `inactive` or `ended`.")
    window_expires_at: str | None = Field(
        description="Until when free-form messages may be sent; null when the person never wrote."
    )
    is_window_open: bool
    last_inbound_at: str | None
    last_outbound_at: str | None
    last_message_at: str
    messages_count: int
    started_at: str
    ended_at: str | None
    ended_reason: str | None = Field(description="`expired` or `closed`.")
    created_at: str


class ConversationFilters(django_filters.FilterSet):  # type: ignore[misc]  # the library has no types
    """`since` and `until` count from when the record was made, as the list's order does."""

    phone_number_id = django_filters.CharFilter(field_name="phone_number__phone_number_id")
    status = django_filters.ChoiceFilter(choices=Conversation.Status.choices)
    contact_phone = django_filters.CharFilter(field_name="contact__phone")
    customer_id = filters.OwnIdFilter(field_name="customer_id")
    since = filters.SinceFilter(method="by_since")
    until = filters.UntilFilter(method="by_until")

    class Meta:
        model = Conversation
        fields: ClassVar[list[str]] = []

    def by_since(self, rows: Rows, name: str, at: datetime) -> Rows:
        return rows.filter(pk__gte=ids.first_id(at))

    def by_until(self, rows: Rows, name: str, at: datetime) -> Rows:
        return rows.filter(pk__lt=ids.first_id(at + timedelta(milliseconds=1)))


class ConversationList(TenantView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="v1.conversations.list",
        summary="List conversations, newest first",
        tags=["Conversations"],
        parameters=[
            schema.query("phone_number_id", "Only conversations on this number."),
            schema.query("status", "Only conversations in this status.", allowed=Conversation.Status.values),
            schema.query("contact_phone", "Only conversations with this number; digits only."),
            schema.query(
                "customer_id", "Only conversations on this customer's numbers.", shape=schema.OWN_ID
            ),
            schema.query(
                "since", "Made on this date, at this moment, or later (ISO 8601).", shape=schema.MOMENT
            ),
            schema.query(
                "until", "Made by this date, its whole day included, or this moment.", shape=schema.MOMENT
            ),
            *schema.PAGING,
        ],
        responses=schema.answers({200: [ConversationOut]}, 400),
    )
    def get(self, request: TenantRequest) -> Response:
        rows = filters.apply(ConversationFilters, request, _visible(request))
        page = pages.take(request, rows, order=["tenant_id", "-pk"])
        windows = _windows(page.rows)
        return Response([_written(row, windows) for row in page.rows], headers=page.headers)


class ConversationDetail(TenantView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="v1.conversations.get",
        summary="Read one conversation",
        tags=["Conversations"],
        parameters=[schema.inside("conversation_id", "Our id.")],
        responses=schema.answers({200: ConversationOut}, 404),
    )
    def get(self, request: TenantRequest, conversation_id: str) -> Response:
        return _answer(_find(request, conversation_id))


class ConversationClose(TenantView):
    scopes = {"POST": "send"}

    @extend_schema(
        operation_id="v1.conversations.close",
        summary="Close a conversation",
        description="Ends the record; closing it again changes nothing. Meta's 24-hour window stays as it"
        " is: free-form messages may still be sent while it is open, and the next message opens a new"
        " conversation.",
        tags=["Conversations"],
        parameters=[schema.inside("conversation_id", "Our id."), schema.IDEMPOTENCY_KEY],
        request=None,
        responses=schema.answers({200: ConversationOut}, 400, 404, 409),
    )
    def post(self, request: TenantRequest, conversation_id: str) -> Response:
        return _answer(endings.close(conversation=_find(request, conversation_id)))


def _visible(request: TenantRequest) -> Rows:
    """The conversations of the key's project and environment: test and live never mix."""
    is_test = request.api_key.environment == ApiKey.Environment.TEST
    own = Conversation.objects.filter(
        pages.only("tenant_id", [request.tenant.pk]), phone_number__is_sandbox=is_test
    )
    return own.select_related("phone_number", "contact")


def _find(request: TenantRequest, conversation_id: str) -> Conversation:
    own_id = ids.parse_id(conversation_id)
    found = None if own_id is None else _visible(request).filter(pk=own_id).first()
    if found is None:
        raise errors.NotFound("No conversation with this id in this project")
    return found


def _windows(conversations: Collection[Conversation]) -> Windows:
    """The windows beside some conversations, in one query."""
    held = ServiceWindow.objects.filter(contact__in={row.contact_id for row in conversations})
    return {(window.phone_number_id, window.contact_id): window.expires_at for window in held}


def _answer(conversation: Conversation) -> Response:
    return Response(_written(conversation, _windows([conversation])))


def _written(row: Conversation, windows: Windows) -> dict[str, Any]:
    until = windows.get((row.phone_number_id, row.contact_id))
    return ConversationOut(
        id=str(row.pk),
        tenant_id=str(row.tenant_id),
        customer_id=str(row.customer_id) if row.customer_id else None,
        phone_number_id=row.phone_number.phone_number_id,
        contact_phone=row.contact.phone or None,
        contact_user_id=row.contact.user_id or None,
        contact_name=row.contact.name or None,
        status=row.status,
        window_expires_at=_moment(until),
        is_window_open=until is not None and until > timezone.now(),
        last_inbound_at=_moment(row.last_inbound_at),
        last_outbound_at=_moment(row.last_outbound_at),
        last_message_at=envelope.moment(row.last_message_at),
        messages_count=row.messages_count,
        started_at=envelope.moment(row.started_at),
        ended_at=_moment(row.ended_at),
        ended_reason=row.ended_reason or None,
        created_at=envelope.moment(ids.moment_of(row.pk)),
    ).model_dump()


def _moment(value: datetime | None) -> str | None:
    return None if value is None else envelope.moment(value)
