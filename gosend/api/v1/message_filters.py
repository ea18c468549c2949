"""Which messages a list shows."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any, ClassVar

import django_filters
from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL
from drf_spectacular.utils import OpenApiParameter

from accounts.models import ApiKey
from gosend.api import filters, pages, schema
from gosend.api.view import TenantRequest
from gosend.lib import ids
from messaging import narrowing, tallies
from messaging.models import Message

Rows = QuerySet[Message]
# A row's moment and its id are made in one statement, but not in the same millisecond.
_SLACK = timedelta(minutes=1)
_TEST = ApiKey.Environment.TEST
# What is not settled is short, and found by its dispatch however many messages are.
_UNSETTLED = """messaging_message.id = ANY(ARRAY(
    SELECT message_id FROM messaging_dispatch WHERE phone_number_id = ANY(%s)))"""
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
    # Which numbers to look at is decided before.
    phone_number_id = django_filters.CharFilter(method="as_it_is")
    direction = django_filters.ChoiceFilter(choices=Message.Direction.choices)
    status = django_filters.ChoiceFilter(choices=Message.Status.choices, method="by_status")
    since = filters.SinceFilter(method="by_since")
    until = filters.UntilFilter(method="by_until")
    conversation_id = filters.OwnIdFilter(field_name="conversation_id")
    message_type = django_filters.CharFilter(field_name="type")
    to = django_filters.CharFilter(method="by_recipient")
    customer_id = filters.OwnIdFilter(method="as_it_is")
    number_ids: Sequence[int] = ()

    class Meta:
        model = Message
        fields: ClassVar[list[str]] = []

    def as_it_is(self, rows: Rows, name: str, value: str) -> Rows:
        return rows

    def by_status(self, rows: Rows, name: str, status: str) -> Rows:
        rows = rows.filter(status=status)
        if status in tallies.OPEN:
            unsettled = RawSQL(_UNSETTLED, [list(self.number_ids)], BooleanField())  # noqa: S611 -- a constant
            return rows.filter(unsettled)
        return rows.filter(narrowing.BY_STATUS.get(status, Q()))

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


def page(request: TenantRequest) -> pages.Page[Message]:
    """One page of the messages that the key may see and the query asks for."""
    numbers = _numbers(request)
    filtering = MessageFilters(request.query_params, queryset=Message.objects.none())
    filtering.number_ids = numbers
    said = filters.check(filtering, request).form.cleaned_data
    rows = Message.objects.filter(
        pages.only("tenant_id", [request.tenant.pk]), pages.only("phone_number_id", numbers)
    )
    narrow, order = _lane(request, numbers, said)
    filtering.queryset = rows.filter(narrow).select_related("phone_number", "content")
    return pages.take(request, filtering.qs, count=lambda: _total(request, numbers, said), order=order)


def _lane(request: TenantRequest, numbers: list[int], said: Mapping[str, Any]) -> tuple[Q, list[str]]:
    """The column whose index the list walks, as a condition and the beginning of its order."""
    customer_id = said["customer_id"]
    if said["conversation_id"] or said["to"] or said["from"]:
        # So few that any index will do.
        return Q() if customer_id is None else Q(customer_id=customer_id), ["-pk"]
    is_rare = said["message_type"] or said["status"] in narrowing.BY_STATUS or said["direction"] == _INBOUND
    if customer_id is not None:
        column, value = "customer_id", customer_id
    elif len(numbers) == 1 and not is_rare:
        column, value = "phone_number_id", numbers[0]
    else:
        column, value = "tenant_id", request.tenant.pk
    return pages.only(column, [value]), [column, "-pk"]


def _numbers(request: TenantRequest) -> list[int]:
    """The numbers whose messages are asked for: test and live never mix."""
    rows = request.tenant.phone_numbers.filter(is_sandbox=request.api_key.environment == _TEST)
    if asked := request.query_params.get("phone_number_id"):
        rows = rows.filter(phone_number_id=asked)
    return list(rows.values_list("pk", flat=True))


def _total(request: TenantRequest, numbers: list[int], said: Mapping[str, Any]) -> pages.Total | None:
    """The total as it is kept; None where the query asks for one person, one talk or parts of a day."""
    since, until = said["since"], said["until"]
    is_parted = since and since.time() != time.min or until and until.time() != time.max
    if is_parted or any(said[name] for name in ("conversation_id", "to", "from")):
        return None
    kind = tallies.Kind(
        tenant_id=request.tenant.pk,
        number_ids=numbers,
        customer_id=said["customer_id"],
        direction=said["direction"] or None,
        type=said["message_type"] or None,
        status=said["status"] or None,
        since=since and since.date(),
        until=until and until.date(),
    )
    return tallies.total(kind)


_INBOUND = Message.Direction.INBOUND
# `from` is a word of the language, so it cannot be written in the class.
MessageFilters.base_filters["from"] = django_filters.CharFilter(method="by_sender")
