"""Where the web server of this installation is: the running demo's, on whatever port, else PUBLIC_URL."""

import secrets
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson
from django.conf import settings
from django.core.management.base import CommandError

from gosend.demo import seed
from gosend.lib import http

# Seconds for a connection: only an address of one's own choice may be farther than this machine.
_CONNECT_SECONDS = 3.0
# Seconds for the demo's own answer, which asks its database nothing; and the most bytes of it that are read.
_ANSWER_SECONDS = 2.0
_ANSWER_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Address:
    """A web server's address; `source` says in words where it is from."""

    url: str
    source: str

    def is_heard(self) -> bool:
        """Whether anybody listens there."""
        try:
            parts = urlsplit(self.url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            socket.create_connection((parts.hostname or "", port), timeout=_CONNECT_SECONDS).close()
        except (OSError, ValueError):  # ValueError: a PUBLIC_URL whose port is none
            return False
        return True


def find(given: str = "") -> Address:
    """The address given, else the demo's if GoSend answers there, else PUBLIC_URL."""
    if given:
        return Address(_checked(given).rstrip("/"), "--url")
    if settings.IS_EMBEDDED:
        noted = seed.load(settings.VAR_DIR / "demo.json").base_url
        if noted and _is_gosend(noted):
            return Address(noted, "the demo's address")
    return Address(settings.PUBLIC_URL, "PUBLIC_URL")


def _is_gosend(url: str) -> bool:
    """Whether GoSend answers there; only this machine is asked.

    `demo.json` outlives the demo, and by now its port may be another server's.
    """
    asked = f"demo-{secrets.token_hex(8)}"
    try:
        if urlsplit(url).hostname != "127.0.0.1":
            return False
        answer = http.fetch(
            method="GET",
            url=f"{url}/healthz",
            headers={"X-Request-Id": asked},
            timeout_seconds=_ANSWER_SECONDS,
            max_bytes=_ANSWER_BYTES,
            guard=None,
        )
    except (http.Failed, ValueError):
        return False
    # Many servers say that they are well; the request's own id comes back from ours.
    return is_healthz(answer) and answer.headers.get("x-request-id") == asked


def is_healthz(answer: http.Response) -> bool:
    """Whether this is how a GoSend answers `/healthz`; a page that is shown for any address is not."""
    try:
        says = orjson.loads(answer.body)
    except ValueError:
        return False
    return answer.status == 200 and says == {"status": "ok"} and "x-request-id" in answer.headers


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        is_whole = False
    if not is_whole:
        raise CommandError(f"{url!r} is no address of a web server: give one such as http://127.0.0.1:8000")
    return url
