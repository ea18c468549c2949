"""DomainError: a code, a sentence, an HTTP status, and the catalogue of them all."""

from collections.abc import Mapping
from typing import Any, ClassVar


class DomainError(Exception):
    """Something a client can be told, and can do something about.

    Subclasses are named for what happened and stand beside the function that raises them. `code` is a
    key of the catalogue in `gosend.lib.catalog`, which gives the HTTP status, the cause and the cure.
    """

    code: ClassVar[str] = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = dict(details) if details else None
        self.retry_after = retry_after
