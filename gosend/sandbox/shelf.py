"""The templates of one pretend business account: in rows, or in memory."""

import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from gosend.sandbox.models import HeldTemplate

_FIELDS = ("name", "language", "category", "parameter_format", "components")

# The age of a template whose review is over.
_REVIEWED_SECONDS = 60.0


def _new_id() -> str:
    return f"999{secrets.randbelow(10**12):012d}"


@dataclass(frozen=True, slots=True)
class Held:
    """A template on the shelf."""

    name: str
    language: str
    category: str
    parameter_format: str
    components: list[Any]
    template_id: str = field(default_factory=_new_id)
    created_at: float = field(default_factory=time.time)


def starters() -> list[Held]:
    """Templates to begin with, approved: Meta's own first one, and the one of the documented examples."""
    texts = {
        ("hello_world", "en_US"): "Hello World",
        ("appointment_reminder", "es_AR"): ("Hola {{1}}, te recordamos tu turno el {{2}}. ¡Te esperamos!"),
    }
    return [
        Held(
            name=name,
            language=language,
            category="UTILITY",
            parameter_format="POSITIONAL",
            components=[{"type": "BODY", "text": text}],
            created_at=time.time() - _REVIEWED_SECONDS,
        )
        for (name, language), text in texts.items()
    ]


class Shelf(Protocol):
    """What the pretend Meta keeps of one account's templates."""

    def all(self) -> list[Held]:
        """Return the templates, oldest first."""

    def put(self, held: Held) -> bool:
        """Keep a template; False when one of its name and language is there."""

    def remove(self, held: Held) -> None: ...


class RowShelf:
    """The shelf of an in-process account; every process sees the same."""

    def __init__(self, waba_id: str) -> None:
        self._waba_id = waba_id

    def all(self) -> list[Held]:
        rows = HeldTemplate.objects.filter(waba_id=self._waba_id).order_by("pk")
        return [
            Held(
                **{name: getattr(row, name) for name in _FIELDS},
                template_id=row.template_id,
                created_at=row.created_at.timestamp(),
            )
            for row in rows
        ]

    def put(self, held: Held) -> bool:
        values = asdict(held) | {"created_at": datetime.fromtimestamp(held.created_at, UTC)}
        key = {name: values.pop(name) for name in ("name", "language")}
        _, is_new = HeldTemplate.objects.get_or_create(waba_id=self._waba_id, **key, defaults=values)
        return is_new

    def remove(self, held: Held) -> None:
        HeldTemplate.objects.filter(waba_id=self._waba_id, template_id=held.template_id).delete()


class MemoryShelf:
    """The shelf of an account of the stand-alone server."""

    def __init__(self, held: Iterable[Held] = ()) -> None:
        self._held = {(one.name, one.language): one for one in held}
        self._lock = threading.Lock()

    def all(self) -> list[Held]:
        with self._lock:
            return list(self._held.values())

    def put(self, held: Held) -> bool:
        with self._lock:
            return self._held.setdefault((held.name, held.language), held) is held

    def remove(self, held: Held) -> None:
        with self._lock:
            self._held.pop((held.name, held.language), None)
