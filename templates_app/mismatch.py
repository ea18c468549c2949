"""One thing in a send that does not fit its template."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Where in the message, what is wrong there, what the template takes and what came."""

    path: str
    message: str
    expected: object
    given: object

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
