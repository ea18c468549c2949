"""A place on the map."""

import re
from typing import ClassVar

from pydantic import field_validator

from gosend.whatsapp import violations
from gosend.whatsapp.parts import TypedPart

# Meta takes degrees as numbers and as strings.
Degrees = int | float | str

MAX_LATITUDE = 90
MAX_LONGITUDE = 180

_NUMBER = re.compile(r"[+-]?[0-9]{1,3}(\.[0-9]{1,30})?")


class Location(TypedPart):
    """`name` and `address` are shown below the map."""

    type: ClassVar[str] = "location"

    latitude: Degrees
    longitude: Degrees
    name: str | None = None
    address: str | None = None

    @field_validator("latitude", mode="before")
    @classmethod
    def _is_a_latitude(cls, value: object) -> Degrees:
        return _degrees(value, limit=MAX_LATITUDE)

    @field_validator("longitude", mode="before")
    @classmethod
    def _is_a_longitude(cls, value: object) -> Degrees:
        return _degrees(value, limit=MAX_LONGITUDE)


def _degrees(value: object, *, limit: int) -> Degrees:
    number = float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value
    is_there = isinstance(number, int | float) and -limit <= number <= limit
    if not is_there or isinstance(value, bool) or not isinstance(value, Degrees):
        raise violations.broken(
            f"must be a number from -{limit} to {limit}", limit=limit, value=violations.shown(value)
        )
    return value
