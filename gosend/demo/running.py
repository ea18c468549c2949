"""Where the web server of this installation is: the running demo's, on whatever port, else PUBLIC_URL."""

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import CommandError

from gosend.demo import seed

# Seconds for a connection: only an address of one's own choice may be farther than this machine.
_CONNECT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Address:
    """A web server's address; `source` says in words where it is from."""

    url: str
    source: str

    def is_heard(self) -> bool:
        """Whether anybody listens there."""
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            socket.create_connection((parts.hostname or "", port), timeout=_CONNECT_SECONDS).close()
        except OSError:
            return False
        return True


def find(given: str = "") -> Address:
    """The address given, else that of the demo if it runs on this database, else PUBLIC_URL."""
    if given:
        return Address(_checked(given).rstrip("/"), "--url")
    if settings.IS_EMBEDDED:
        noted = seed.load(settings.VAR_DIR / "demo.json").base_url
        demo = Address(noted, "the running demo")
        if noted and demo.is_heard():
            return demo
    return Address(settings.PUBLIC_URL, "PUBLIC_URL")


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        is_whole = False
    if not is_whole:
        raise CommandError(f"{url!r} is no address of a web server: give one such as http://127.0.0.1:8000")
    return url
