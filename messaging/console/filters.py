"""How people ask for messages: the form of the message log, and the query that it stands for."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.db.models import Q
from django.http import QueryDict
from django.utils import timezone
from django.utils.functional import cached_property

from accounts import access
from accounts.models import PhoneNumber, Tenant, User
from gosend.lib import ids, phone
from messaging import narrowing
from messaging.console.lanes import Lanes
from messaging.models import Contact, Dispatch, Message

# Tenants and numbers that a list offers; of more, the one that is asked for is offered beside them.
_CHOICES_MAX = 100
# Tenants that are read side by side, each by its own index.
LANES_MAX = 50
# What a row itself tells, by the field that asks for it.
_OF_A_ROW = ("status", "direction", "type")
_TYPES = (
    "text", "template", "image", "video", "audio", "document", "sticker", "location", "contacts",
    "interactive", "button", "reaction", "order", "system", "unsupported",
)  # fmt: skip
_WITHIN = {
    "15m": ("last 15 minutes", timedelta(minutes=15)),
    "1h": ("last hour", timedelta(hours=1)),
    "24h": ("last 24 hours", timedelta(hours=24)),
    "7d": ("last 7 days", timedelta(days=7)),
    "30d": ("last 30 days", timedelta(days=30)),
}
_MOMENT = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
_MOMENT_FORMATS = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"]


def _any(choices: Any) -> list[tuple[str, str]]:
    return [("", "any"), *choices]


class Filter(forms.Form):
    """Every field may stay empty; what the person may not see is no choice."""

    tenant = forms.TypedChoiceField(required=False, coerce=int, empty_value=None)
    number = forms.TypedChoiceField(required=False, coerce=int, empty_value=None)
    peer = forms.CharField(
        required=False, max_length=160, label="Customer's number", help_text="Whole, as digits; or a user id."
    )
    status = forms.ChoiceField(required=False, choices=_any(Message.Status.choices))
    direction = forms.ChoiceField(required=False, choices=_any(Message.Direction.choices))
    type = forms.ChoiceField(required=False, choices=_any((name, name) for name in _TYPES))
    error = forms.IntegerField(required=False, label="Error code", min_value=0, max_value=10**9)
    within = forms.ChoiceField(
        required=False, label="Time", choices=_any((key, words) for key, (words, _) in _WITHIN.items())
    )
    since = forms.DateTimeField(
        required=False, label="From (UTC)", widget=_MOMENT, input_formats=_MOMENT_FORMATS
    )
    until = forms.DateTimeField(
        required=False, label="To (UTC)", widget=_MOMENT, input_formats=_MOMENT_FORMATS
    )

    def __init__(self, data: QueryDict, *, user: User) -> None:
        super().__init__(data)
        self.user = user
        tenants = access.tenants_of(user)
        self._offer("tenant", tenants, lambda tenant: tenant.name, order="name")
        asked = data.get("tenant", "")
        numbers = access.narrow(PhoneNumber.objects.all(), user=user, path="tenant_id")
        if (tenant_id := ids.parse_id(asked)) is not None:
            numbers = numbers.filter(tenant_id=tenant_id)
        self._offer("number", numbers, _written, order="display_phone_number")

    def _offer(self, name: str, rows: Any, written: Any, *, order: str) -> None:
        """Fill a list with the first hundred and with what is asked for."""
        asked = ids.parse_id(self.data.get(name, ""))
        found = list(rows.order_by(order, "pk")[:_CHOICES_MAX])
        if asked is not None and asked not in {row.pk for row in found}:
            found += rows.filter(pk=asked)[:1]
        field: Any = self.fields[name]
        field.choices = _any((row.pk, written(row)) for row in found)

    def clean_peer(self) -> str:
        return phone.plain(str(self.cleaned_data["peer"]).strip())

    @property
    def is_used(self) -> bool:
        return any(value not in ("", None) for value in self.cleaned_data.values())

    def query(self) -> str:
        """What stands behind the page's ?, without what is empty and without the place in the list."""
        kept = QueryDict(mutable=True)
        for name in self.fields:
            if self.data.get(name):
                kept[name] = self.data[name]
        return kept.urlencode()

    def bounds(self) -> tuple[int, int]:
        """The ids between which the asked time lies, the second one excluded."""
        said = self.cleaned_data
        since: datetime | None = said.get("since")
        if within := _WITHIN.get(said.get("within") or ""):
            since = max(filter(None, (since, timezone.now() - within[1])))
        until: datetime | None = said.get("until")
        return ids.first_id(since) if since else 0, ids.first_id(until) if until else 2**63 - 1

    def lanes(self) -> Lanes | None:
        """The parts of the log to read, each ordered by an index; None when a tenant must be chosen first."""
        return self._plan[0]

    def conditions(self) -> Q:
        """What else a row must be like; no index serves it, so only so many rows are looked through."""
        return self._plan[1]

    @cached_property
    def _plan(self) -> tuple[Lanes | None, Q]:
        said = self.cleaned_data
        wanted = {name: Q(**{name: said[name]}) for name in _OF_A_ROW if said.get(name)}
        if said.get("error") is not None:
            wanted["error"] = Q(error__code=said["error"])
        name, served = self._served(wanted)
        tenants = self._tenants(LANES_MAX // len(served)) if served else None
        if not tenants:
            return self._whole(), Q(*wanted.values())
        own = wanted.pop(name) if name != "error" else Q()
        if said.get("number"):
            wanted["number"] = Q(phone_number_id=said["number"])
        return Lanes([own & part for part in served], tenants), Q(*wanted.values())

    def _served(self, wanted: Collection[str]) -> tuple[str, list[Q]]:
        """Which of the conditions a tenant's index serves, and the parts of the log in which it can hold."""
        status = self.cleaned_data.get("status")
        if (
            self.cleaned_data.get("peer") or status in _UNSETTLED
        ):  # those have an index, or a table, of their own
            return "", []
        if status in narrowing.BY_STATUS:
            return "status", [narrowing.BY_STATUS[status]]
        if "error" in wanted:
            return "error", [narrowing.FAILED, narrowing.IN_DOUBT]
        if "type" in wanted:
            return "type", [Q()]
        if self.cleaned_data.get("direction") == Message.Direction.INBOUND:
            return "direction", [Q()]
        return "", []

    def _tenants(self, most: int) -> list[int] | None:
        """Whose messages are asked for; None where they are more than these."""
        if tenant := self.cleaned_data.get("tenant"):
            return [tenant]
        rows = access.tenants_of(self.user)
        if number := self.cleaned_data.get("number"):
            rows = rows.filter(phone_numbers=number)
        found = list(rows.order_by("pk").values_list("pk", flat=True)[: most + 1])
        return found if len(found) <= most else None

    def _whole(self) -> Lanes | None:
        """The log of who or what is asked for, whatever its messages are like."""
        said = self.cleaned_data
        tenant, number, peer = said.get("tenant"), said.get("number"), said.get("peer")
        if peer:
            own = Q(peer=peer, phone_number_id=number) if number else Q(peer=peer)
            return Lanes([own], self._tenants_knowing(peer, tenant))
        own = Q(phone_number_id=number) if number else Q()
        if tenant:
            return Lanes([own], [tenant])
        if number or access.sees_all(self.user):
            return Lanes([own])
        granted = list(access.tenant_ids(self.user).order_by("tenant_id")[: LANES_MAX + 1])
        return Lanes([own], granted) if len(granted) <= LANES_MAX else None

    def _tenants_knowing(self, peer: str, tenant: int | None) -> list[int]:
        if tenant:
            return [tenant]
        known = Contact.objects.filter(user_id=peer) if phone.is_user_id(peer) else None
        rows = known if known is not None else Contact.objects.filter(phone=peer)
        rows = access.narrow(rows, user=self.user, path="tenant_id")
        return list(rows.order_by("tenant_id").values_list("tenant_id", flat=True).distinct()[:LANES_MAX])

    def unsettled(self, *, limit: int) -> list[int] | None:
        """The newest sends under way where only such are wanted: each has its row in a short table."""
        state = self.cleaned_data.get("status")
        if state not in _UNSETTLED:
            return None
        rows = Dispatch.objects.filter(state__in=_UNSETTLED[state])
        rows = access.narrow(rows, user=self.user, path="phone_number__tenant_id")
        return list(rows.order_by("-pk").values_list("pk", flat=True)[:limit])


_State = Dispatch.State
_UNSETTLED: dict[str, list[str]] = {
    Message.Status.QUEUED: [_State.QUEUED, _State.CLAIMED],
    Message.Status.SENDING: [_State.SENDING],
    Message.Status.UNKNOWN: [_State.UNKNOWN],
}


def _written(number: PhoneNumber) -> str:
    return f"{number.display_phone_number} {number.display_name}".strip()


def describe(form: Filter) -> dict[str, Any]:
    """The filter as it may be written into the audit trail: without the customer's number."""
    said = {name: form.data.get(name) for name in form.fields if form.data.get(name)}
    if "peer" in said:
        said["peer"] = phone.mask(form.cleaned_data["peer"])
    return said


def tenant_of(form: Filter) -> Tenant | None:
    pk = form.cleaned_data.get("tenant")
    return Tenant.objects.filter(pk=pk).first() if pk else None
