"""Filters of lists, on django-filter: a wrong value is refused by name, as any field is."""

from collections.abc import Iterable
from datetime import UTC, datetime, time
from typing import Any, TypeVar, cast

import django_filters
from django import forms
from django.db.models import Model, QuerySet
from django.utils.dateparse import parse_date, parse_datetime
from rest_framework.request import Request

from gosend.api import errors
from gosend.lib import ids

Row = TypeVar("Row", bound=Model)
_SHOWN = 100
# Moments beyond are taken for these, so that reckoning with them stays possible.
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(9000, 1, 1, tzinfo=UTC)


class MomentField(forms.CharField):
    """A bare date means the whole day; a moment is taken as it is, in UTC unless it says otherwise."""

    def __init__(self, *, edge: time, **options: Any) -> None:
        super().__init__(**options)
        self.edge = edge

    def clean(self, value: Any) -> datetime | None:
        text = str(value or "").strip()
        if "T" in text:  # an unescaped plus sign of the offset arrives as a blank
            text = text.replace(" ", "+")
        return _read_moment(text, self.edge) if text else None


class OwnIdField(forms.CharField):
    """An id as this API writes it: a decimal number in a string."""

    def clean(self, value: Any) -> int | None:
        if not value:
            return None
        number = ids.parse_id(str(value))
        if number is None:
            raise forms.ValidationError("is not an id of this API")
        return number


class SinceFilter(django_filters.Filter):  # type: ignore[misc]  # the library has no types
    field_class = MomentField

    def __init__(self, **options: Any) -> None:
        super().__init__(edge=time.min, **options)


class UntilFilter(django_filters.Filter):  # type: ignore[misc]  # the library has no types
    field_class = MomentField

    def __init__(self, **options: Any) -> None:
        super().__init__(edge=time.max, **options)


class OwnIdFilter(django_filters.Filter):  # type: ignore[misc]  # the library has no types
    field_class = OwnIdField


def apply(filters: type[django_filters.FilterSet], request: Request, rows: QuerySet[Row]) -> QuerySet[Row]:
    """Narrow a list by the query's parameters, those that the list knows."""
    narrowed: QuerySet[Row] = check(filters(request.query_params, queryset=rows), request).qs
    return narrowed


def check(filtering: django_filters.FilterSet, request: Request) -> django_filters.FilterSet:
    """Refuse a wrong parameter by its name; what passed stands in `form.cleaned_data`."""
    for name in filtering.filters:
        if request.query_params.get(name) == "":  # most often a variable that was not set
            raise errors.InvalidField(
                f"{name} is empty: give it a value, or leave it out", details={"field": name}
            )
    for name, problems in filtering.form.errors.as_data().items():
        raise _refused(name, request.query_params.get(name, ""), problems[0], filtering.form.fields[name])
    return filtering


def _refused(
    name: str, value: str, problem: forms.ValidationError, field: forms.Field
) -> errors.InvalidField:
    details: dict[str, Any] = {"field": name, "value": value[:_SHOWN]}
    if isinstance(field, forms.ChoiceField):
        choices = cast("list[tuple[str, str]]", list(cast("Iterable[Any]", field.choices)))
        allowed = [choice for choice, _ in choices if choice]
        return errors.InvalidField(
            f"{name} is one of {', '.join(allowed)}", details={**details, "allowed": allowed}
        )
    return errors.InvalidField(f"{name} {problem.messages[0]}", details=details)


def _read_moment(text: str, edge: time) -> datetime:
    try:
        day = parse_date(text)
        found = None if day else parse_datetime(text)
    except ValueError:
        day = found = None
    if day:
        found = datetime.combine(day, edge, tzinfo=UTC)
    if found is None:
        raise forms.ValidationError("is an ISO 8601 date or moment")
    moment = min(max(found if found.tzinfo else found.replace(tzinfo=UTC), _FIRST), _LAST)
    # PostgreSQL refuses offsets that Python takes, such as +23:07.
    return moment.astimezone(UTC)
