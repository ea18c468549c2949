"""Which messages a list shows."""

from datetime import datetime, timedelta
from typing import ClassVar

import django_filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiParameter

from gosend.api import filters, schema
from gosend.lib import ids
from messaging.models import Message

Rows = QuerySet[Message]
# A row's moment and its id are made in one statement, but not in the same millisecond.
_SLACK = timedelta(minutes=1)
# What we sent is told by its created_at. Everything else came from Meta, which may bring it late and
# dates it then in the past: it is told by when it arrived, so that asking again for what came since the
# last question misses nothing.
_OURS = Q(direction=Message.Direction.OUTBOUND, origin=Message.Origin.CLOUD_API)

PARAMETERS: list[OpenApiParameter] = [
    schema.query("phone_number_id", "Only messages on this number."),
    schema.query("direction", "Only one direction.", allowed=Message.Direction.values),
    schema.query("status", "Only messages in this status now.", allowed=Message.Status.values),
    schema.query(
        "since",
        "From this date or moment on (ISO 8601, UTC unless it says otherwise). A message that a customer"
        " wrote counts from when it arrived here, which may be later than its created_at.",
        shape=schema.MOMENT,
    ),
    schema.query(
        "until",
        "Up to this date, its whole day included, or this moment; counted as for `since`.",
        shape=schema.MOMENT,
    ),
    schema.query("conversation_id", "Only messages of this conversation.", shape=schema.OWN_ID),
    schema.query("message_type", "Only messages of this type: text, template, image …"),
    schema.query("to", "Only messages that went to this number or user id."),
    schema.query("from", "Only messages that came from this number or user id."),
    schema.query("customer_id", "Only messages on this customer's numbers.", shape=schema.OWN_ID),
]


class MessageFilters(django_filters.FilterSet):  # type: ignore[misc]  # the library has no types
    phone_number_id = django_filters.CharFilter(field_name="phone_number__phone_number_id")
    direction = django_filters.ChoiceFilter(choices=Message.Direction.choices)
    status = django_filters.ChoiceFilter(choices=Message.Status.choices)
    since = filters.SinceFilter(method="by_since")
    until = filters.UntilFilter(method="by_until")
    conversation_id = filters.OwnIdFilter(field_name="conversation_id")
    message_type = django_filters.CharFilter(field_name="type")
    to = django_filters.CharFilter(method="by_recipient")
    customer_id = filters.OwnIdFilter(field_name="customer_id")

    class Meta:
        model = Message
        fields: ClassVar[list[str]] = []

    def by_since(self, rows: Rows, name: str, at: datetime) -> Rows:
        start = ids.first_id(at)
        rows = rows.filter(pk__gte=ids.first_id(at - _SLACK))
        return rows.filter(_OURS & Q(created_at__gte=at) | ~_OURS & Q(pk__gte=start))

    def by_until(self, rows: Rows, name: str, at: datetime) -> Rows:
        end = ids.first_id(at + timedelta(milliseconds=1))
        rows = rows.filter(pk__lt=ids.first_id(at + _SLACK))
        return rows.filter(_OURS & Q(created_at__lte=at) | ~_OURS & Q(pk__lt=end))

    def by_recipient(self, rows: Rows, name: str, peer: str) -> Rows:
        return rows.filter(peer=peer, direction=Message.Direction.OUTBOUND)

    def by_sender(self, rows: Rows, name: str, peer: str) -> Rows:
        return rows.filter(peer=peer, direction=Message.Direction.INBOUND)


# `from` is a word of the language, so it cannot be written in the class.
MessageFilters.base_filters["from"] = django_filters.CharFilter(method="by_sender")
