"""The one HTTP client (pycurl): capped, timed, refusing private addresses when told to."""

import os
import re
import select
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from mmap import mmap
from typing import Any

import certifi
import pycurl

from gosend.lib.addresses import BadUrl, Guard, check_url, guard_of
from gosend.lib.exchange import Exchange, Failed, Outcome
from gosend.lib.handles import Handle

__all__ = ["BadUrl", "Failed", "Guard", "Outcome", "Pieces", "Response", "check_url", "fetch", "guard_of"]

CONNECT_SECONDS = 5.0
# Seconds that an idle connection may be used again, below the usual 60 of servers and balancers.
_IDLE_SECONDS = 50
_CONNECTIONS_PER_THREAD = 8


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; `truncated` when the peer sent more of a body than is kept here."""

    status: int
    headers: dict[str, str]
    body: bytes
    duration_ms: int
    truncated: bool


class Pieces:
    """A request's body in pieces, which go out one after the other and are never put together."""

    def __init__(self, *pieces: bytes | mmap) -> None:
        self.pieces = pieces
        self.size = sum(len(piece) for piece in pieces)
        self._next = 0
        self._at = 0

    def read(self, most: int) -> bytes:
        while self._next < len(self.pieces):
            chunk = self.pieces[self._next][self._at : self._at + most]
            if chunk:
                self._at += len(chunk)
                return chunk
            self._next, self._at = self._next + 1, 0
        return b""

    def __bytes__(self) -> bytes:
        return b"".join(piece[:] for piece in self.pieces)


Form = tuple[str, float, bool, bool, str | None]


# --- One request ----------------------------------------------------------------------------------
def fetch(
    *,
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | Pieces | None = None,
    timeout_seconds: float,
    max_bytes: int,
    guard: Guard | None,
    keep_bytes: int | None = None,
    sink: Callable[[bytes], bool] | None = None,
) -> Response:
    """Make one request, once, and follow nothing. Raises Failed.

    Reads at most `max_bytes` of the answer's body and keeps the first `keep_bytes` of those, or hands
    them to `sink`, which ends the reading with False. `guard` None is for addresses that the operator
    chose, such as Meta's.
    """
    if guard:
        _refuse_bad_url(url, guard)
    kept = max_bytes if keep_bytes is None else keep_bytes
    origin = "/".join(url.split("/", 3)[:3]).lower()
    form = _form(method, body, timeout_seconds, guard)
    curl, exchange = _thread.handle(origin)
    exchange.begin(url, guard, max_bytes, kept, sink)
    try:
        _thread.prepare(form, method, headers or {}, body, timeout_seconds)
        curl.setopt(pycurl.URL, url)
        if not isinstance(body, Pieces) and (body is not None or method == "POST"):
            curl.setopt(pycurl.POSTFIELDS, body or b"")
        curl.perform()
    except pycurl.error as error:
        if not exchange.is_full:
            raise exchange.failed(error.args[0], curl.getinfo(pycurl.OS_ERRNO)) from error
    finally:
        exchange.end()
        _thread.remember(origin)
        if exchange.is_stuck:
            _thread.give_up()
    status = curl.getinfo(pycurl.RESPONSE_CODE)
    found = exchange.headers()
    if found is None or status < 200:  # libcurl takes the end of the stream for theirs
        raise Failed("reset", Outcome.UNKNOWN)
    return Response(
        status=status,
        headers=found,
        body=bytes(exchange.body),
        duration_ms=round(curl.getinfo(pycurl.TOTAL_TIME) * 1000),
        truncated=exchange.truncated,
    )


def _refuse_bad_url(url: str, guard: Guard) -> None:
    try:
        _check_known(url, guard)
    except BadUrl as error:
        reason = "blocked_address" if error.reason in {"address", "port"} else "bad_url"
        raise Failed(reason, Outcome.NOT_SENT) from error


@lru_cache(maxsize=1024)
def _check_known(url: str, guard: Guard) -> None:
    """The same few addresses are called again and again, and what is said of them does not change."""
    check_url(url, guard=guard)


def _form(method: str, body: bytes | Pieces | None, timeout: float, guard: Guard | None) -> Form | None:
    """What one request has in common with the next of its kind; None where each is set up anew.

    A handle that has the form already is spared two thirds of its setting up.
    """
    if isinstance(body, Pieces):
        return None
    return method, timeout, body is None, guard is None, os.environ.get("SSL_CERT_FILE")


class _Thread(threading.local):
    """One easy handle per thread keeps its connections alive from request to request."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._handle = Handle()
        self._curl = self._handle.curl
        self._exchange = Exchange()
        self._sockets: dict[str, int] = {}
        self._form: Form | None = None
        self._headers: Mapping[str, str] = {}

    def handle(self, origin: str) -> tuple[Any, Exchange]:
        """Give the handle, without a connection to this origin that the other side has closed.

        libcurl looks at a connection at most once a second; the request that goes out on a dead one in
        between may have been read or not, and would be a send of unknown outcome.
        """
        if self._pid != os.getpid() or _has_news(self._sockets.get(origin, -1)):
            self._begin()
        return self._curl, self._exchange

    def prepare(
        self,
        form: Form | None,
        method: str,
        headers: Mapping[str, str],
        body: bytes | Pieces | None,
        timeout: float,
    ) -> None:
        """Set up the handle, as far as it is not yet as the last request of this form had it."""
        is_formed, self._form = form is not None and form == self._form, None
        if is_formed and headers == self._headers:
            self._form = form
            return
        lines = _header_lines(headers)
        if not is_formed:
            self._curl.reset()
            _set_up(self._curl, self._exchange, method, body, timeout)
        self._curl.setopt(pycurl.HTTPHEADER, lines)
        self._form, self._headers = form, dict(headers)

    def give_up(self) -> None:
        """Leave a handle in which a look-up may still go on: the next host would wait for it."""
        if self._handle.give_up():
            self._begin()

    def remember(self, origin: str) -> None:
        self._sockets.pop(origin, None)
        self._sockets[origin] = self._curl.getinfo(pycurl.ACTIVESOCKET)
        if len(self._sockets) > _CONNECTIONS_PER_THREAD:
            del self._sockets[next(iter(self._sockets))]


def _set_up(curl: Any, exchange: Exchange, method: str, body: bytes | Pieces | None, timeout: float) -> None:
    """Set up what requests of one form have in common."""
    curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    curl.setopt(pycurl.FOLLOWLOCATION, 0)
    curl.setopt(pycurl.PROXY, "")  # not what the environment says
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.CAINFO, _ca_file(os.environ.get("SSL_CERT_FILE")))
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    curl.setopt(pycurl.TIMEOUT_MS, max(1, round(timeout * 1000)))
    curl.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, round(min(timeout, CONNECT_SECONDS) * 1000)))
    curl.setopt(pycurl.MAXCONNECTS, _CONNECTIONS_PER_THREAD)
    curl.setopt(pycurl.MAXAGE_CONN, _IDLE_SECONDS)
    curl.setopt(pycurl.USERAGENT, "GoSend")
    if isinstance(body, Pieces):
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.POSTFIELDSIZE_LARGE, body.size)
        curl.setopt(pycurl.READFUNCTION, body.read)
    if method == "HEAD":
        curl.setopt(pycurl.NOBODY, 1)
    curl.setopt(pycurl.CUSTOMREQUEST, method)
    if exchange.guard:
        curl.setopt(pycurl.OPENSOCKETFUNCTION, exchange.open_socket)
    curl.setopt(pycurl.PREREQFUNCTION, exchange.before_request)
    curl.setopt(pycurl.HEADERFUNCTION, exchange.take_header)
    curl.setopt(pycurl.WRITEFUNCTION, exchange.take_body)


_thread = _Thread()


def _has_news(socket_number: int) -> bool:
    """Whether an idle connection has ended, or says something that nobody asked for.

    The number may meanwhile belong to another socket; at worst a live connection is given up.
    """
    if socket_number < 0:
        return False
    poll = select.poll()
    poll.register(socket_number, select.POLLIN)
    return bool(poll.poll(0))


@lru_cache(maxsize=4)
def _ca_file(_environment: str | None) -> str:
    return ssl.get_default_verify_paths().cafile or certifi.where()


# libcurl writes these itself; a caller's copy could smuggle a second request or name another host.
_OWN_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "expect", "te", "upgrade"}
)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_HEADER_VALUE = re.compile(r"[\t -~\x80-\xff]*\Z")


def _header_lines(headers: Mapping[str, str]) -> list[bytes]:
    if not all(map(_is_good_name, headers)) or not _HEADER_VALUE.match("".join(headers.values())):
        raise Failed("bad_header", Outcome.NOT_SENT)
    lines = [b"Expect:"]  # else libcurl asks "100-continue?" and sends again after a 417
    # "Name;" is how libcurl is told of an empty value; "Name:" would leave the header out.
    lines += [
        f"{name}: {value}".encode("latin-1") if value.strip() else f"{name};".encode()
        for name, value in headers.items()
    ]
    if "Content-Type" not in headers and not any(name.lower() == "content-type" for name in headers):
        lines.append(b"Content-Type:")
    return lines


@lru_cache(maxsize=256)
def _is_good_name(name: str) -> bool:
    return bool(_HEADER_NAME.match(name)) and name.lower() not in _OWN_HEADERS
