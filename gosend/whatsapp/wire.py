"""One request to the Graph API and its response, whoever carries them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gosend.lib.http import Pieces


@dataclass(frozen=True, slots=True)
class GraphRequest:
    """`path` is what follows the version, such as `/1065/messages`.

    `url` is given instead for an address that Meta handed out, `path` and `query` being its parts;
    `max_bytes` where the answer is a file. `stream` is the body of an upload, instead of `body`.
    """

    method: str
    path: str
    token: str
    query: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str | None = None
    url: str = ""
    max_bytes: int | None = None
    stream: Pieces | None = None

    def whole(self) -> bytes:
        """The body, also where it would go out in pieces."""
        return bytes(self.stream) if self.stream else self.body or b""


@dataclass(frozen=True, slots=True)
class GraphResponse:
    """What came back, unread; header names in lower case."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


# Carries a request to Meta or to the sandbox; raises gosend.lib.http.Failed.
Transport = Callable[[GraphRequest], GraphResponse]
