"""The one HTTP client (pycurl): capped, timed, refusing private addresses when told to."""

import errno
import ipaddress
import os
import re
import select
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from mmap import mmap
from typing import Any

import certifi
import pycurl

from gosend.lib.addresses import BadUrl, Guard, check_url

__all__ = ["BadUrl", "Failed", "Guard", "Outcome", "Pieces", "Response", "check_url", "fetch"]

CONNECT_SECONDS = 5.0
MAX_HEADER_BYTES = 64 * 1024
# Seconds that an idle connection may be used again, below the usual 60 of servers and balancers.
_IDLE_SECONDS = 50
_CONNECTIONS_PER_THREAD = 8


class Outcome(Enum):
    """Whether a request that failed can have reached the other side."""

    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


class Failed(Exception):
    """No response. `reason` is a short stable word; `outcome` says if the peer may have acted on it."""

    def __init__(self, reason: str, outcome: Outcome) -> None:
        super().__init__(reason)
        self.reason = reason
        self.outcome = outcome


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


# --- What went wrong ------------------------------------------------------------------------------
_WEIRD_SERVER_REPLY, _TOO_LARGE = 8, 100  # pycurl has no names for these two
_BEFORE = {
    pycurl.E_UNSUPPORTED_PROTOCOL: "bad_url",
    pycurl.E_URL_MALFORMAT: "bad_url",
    pycurl.E_COULDNT_RESOLVE_HOST: "dns",
    pycurl.E_OPERATION_TIMEDOUT: "connect_timeout",
    pycurl.E_SSL_CONNECT_ERROR: "tls",
    pycurl.E_PEER_FAILED_VERIFICATION: "tls",
    pycurl.E_SSL_CACERT_BADFILE: "tls",
    pycurl.E_SSL_CIPHER: "tls",
}
_AFTER = {
    pycurl.E_OPERATION_TIMEDOUT: "timeout",
    pycurl.E_GOT_NOTHING: "closed",
    pycurl.E_ABORTED_BY_CALLBACK: "closed",
    pycurl.E_SEND_ERROR: "reset",
    pycurl.E_RECV_ERROR: "reset",
    pycurl.E_PARTIAL_FILE: "reset",
    pycurl.E_UNSUPPORTED_PROTOCOL: "garbage",
    pycurl.E_BAD_CONTENT_ENCODING: "garbage",
    _WEIRD_SERVER_REPLY: "garbage",
    pycurl.E_WRITE_ERROR: "too_large",
    _TOO_LARGE: "too_large",
}


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
    exchange = _Exchange(method, url, guard, max_bytes, kept, sink)
    form = _form(method, headers or {}, body, timeout_seconds, guard)
    curl, is_formed = _thread.handle(exchange.origin, form)
    try:
        if not is_formed:
            exchange.prepare(curl, headers or {}, body, timeout_seconds)
            _thread.form = form
        exchange.fill(curl, body)
        curl.perform()
    except pycurl.error as error:
        if not exchange.is_full:
            raise exchange.failed(error.args[0], curl.getinfo(pycurl.OS_ERRNO)) from error
    finally:
        exchange.close_sockets()
        _thread.remember(exchange.origin)
    status = curl.getinfo(pycurl.RESPONSE_CODE)
    if not exchange.read_headers() or status < 200:  # libcurl takes the end of the stream for theirs
        raise Failed("reset", Outcome.UNKNOWN)
    return Response(
        status=status,
        headers=exchange.headers,
        body=bytes(exchange.body),
        duration_ms=round(curl.getinfo(pycurl.TOTAL_TIME) * 1000),
        truncated=exchange.truncated,
    )


def _refuse_bad_url(url: str, guard: Guard) -> None:
    try:
        check_url(url, guard=guard)
    except BadUrl as error:
        reason = "blocked_address" if error.reason in {"address", "port"} else "bad_url"
        raise Failed(reason, Outcome.NOT_SENT) from error


def _form(
    method: str, headers: Mapping[str, str], body: bytes | Pieces | None, timeout: float, guard: Guard | None
) -> tuple[Any, ...] | None:
    """What one request has in common with the next of its kind; None where each is set up anew.

    A handle that has the form already is spared two thirds of its setting up.
    """
    if guard is not None or isinstance(body, Pieces):
        return None
    return method, tuple(headers.items()), timeout, body is None, os.environ.get("SSL_CERT_FILE")


class _Thread(threading.local):
    """One easy handle per thread keeps its connections alive from request to request."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._curl = pycurl.Curl()
        self._sockets: dict[str, int] = {}
        self.form: tuple[Any, ...] | None = None

    def handle(self, origin: str, form: tuple[Any, ...] | None) -> tuple[Any, bool]:
        """Give the handle, and whether it has this form already.

        It comes without a connection to this origin that the other side has closed.

        libcurl looks at a connection at most once a second; the request that goes out on a dead one in
        between may have been read or not, and would be a send of unknown outcome.
        """
        if self._pid != os.getpid():
            _inherited.append(self._curl)
            self._begin()
        elif _has_news(self._sockets.get(origin, -1)):
            self._curl.close()
            self._begin()
        if form is None or form != self.form:
            self.form = None
            self._curl.reset()
            return self._curl, False
        return self._curl, True

    def remember(self, origin: str) -> None:
        self._sockets.pop(origin, None)
        self._sockets[origin] = self._curl.getinfo(pycurl.ACTIVESOCKET)
        if len(self._sockets) > _CONNECTIONS_PER_THREAD:
            del self._sockets[next(iter(self._sockets))]


_thread = _Thread()
# Handles that a fork copied: closing one would say goodbye on the parent's connections.
_inherited: list[Any] = []


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
    lines = [b"Expect:"]  # else libcurl asks "100-continue?" and sends again after a 417
    for name, value in headers.items():
        if not _HEADER_NAME.match(name) or not _HEADER_VALUE.match(value) or name.lower() in _OWN_HEADERS:
            raise Failed("bad_header", Outcome.NOT_SENT)
        # "Name;" is how libcurl is told of an empty value; "Name:" would leave the header out.
        lines.append(f"{name}: {value}".encode("latin-1") if value.strip() else f"{name};".encode())
    if not any(name.lower() == "content-type" for name in headers):
        lines.append(b"Content-Type:")
    return lines


@dataclass(slots=True)
class _Exchange:
    """What happens during one request, as libcurl calls back."""

    method: str
    url: str
    guard: Guard | None
    max_bytes: int
    keep_bytes: int
    sink: Callable[[bytes], bool] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    truncated: bool = False
    is_sent: bool = False
    is_blocked: bool = False
    is_full: bool = False
    _received: int = 0
    _header_bytes: int = 0
    _lines: list[bytes] = field(default_factory=list)
    _sockets: list[socket.socket] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return "/".join(self.url.split("/", 3)[:3]).lower()

    def prepare(
        self, curl: Any, headers: Mapping[str, str], body: bytes | Pieces | None, timeout: float
    ) -> None:
        """Set up what requests of one form have in common."""
        lines = _header_lines(headers)
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
        if self.method == "HEAD":
            curl.setopt(pycurl.NOBODY, 1)
        curl.setopt(pycurl.CUSTOMREQUEST, self.method)
        curl.setopt(pycurl.HTTPHEADER, lines)
        if self.guard:
            curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)

    def fill(self, curl: Any, body: bytes | Pieces | None) -> None:
        """Set up what is this request's own."""
        curl.setopt(pycurl.URL, self.url)
        if not isinstance(body, Pieces) and (body is not None or self.method == "POST"):
            curl.setopt(pycurl.POSTFIELDS, body or b"")
        curl.setopt(pycurl.PREREQFUNCTION, self._before_request)
        curl.setopt(pycurl.HEADERFUNCTION, self._take_header)
        curl.setopt(pycurl.WRITEFUNCTION, self._take_body)

    def _refuses(self, host: str, port: int) -> bool:
        """Judge the very address of a connection; noted, because libcurl may go on to the next one."""
        if self.guard is None:
            return False
        scheme = self.url.partition(":")[0].lower()
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            self.is_blocked = True
            return True
        refused = self.guard.refusal(address, scheme=scheme, port=port) is not None
        self.is_blocked = self.is_blocked or refused
        return refused

    def _open_socket(self, _purpose: int, target: Any) -> Any:
        if target.family not in {socket.AF_INET, socket.AF_INET6} or self._refuses(*target.addr[:2]):
            return pycurl.SOCKET_BAD
        try:
            opened = socket.socket(target.family, target.socktype, target.protocol)
        except OSError:
            return pycurl.SOCKET_BAD
        self._sockets.append(opened)  # pycurl works on a duplicate of it
        return opened

    def _before_request(self, host: str, _local: str, port: int, _local_port: int) -> int:
        """Called when connected (TLS included) and before the first byte of a request.

        libcurl repeats a request, a POST too, when a reused connection ends without an answer. The
        peer may have acted on the first one, so a second is never let through.
        """
        if self.is_sent or self._refuses(host, port):
            return int(pycurl.PREREQFUNC_ABORT)
        self.is_sent = True
        return int(pycurl.PREREQFUNC_OK)

    def _take_header(self, line: bytes) -> int:
        self._header_bytes += len(line)
        if self._header_bytes > MAX_HEADER_BYTES:
            return -1
        self._lines.append(line)
        return len(line)

    def read_headers(self) -> bool:
        """Read the lines that have come into `headers`; False when their end has not."""
        in_headers = False
        for line in self._lines:
            if line.startswith(b"HTTP/"):  # an interim response (1xx) was not the last word
                self.headers.clear()
                in_headers = True
            elif line in {b"\r\n", b"\n"}:
                in_headers = False
            elif in_headers:  # trailers come later and are dropped
                name, _, value = line.decode("latin-1").partition(":")
                name, value = name.strip().lower(), value.strip()
                self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value
        return not in_headers

    def _take_body(self, data: bytes) -> int:
        allowed = self.max_bytes - self._received
        self._received += len(data)
        if self.sink:
            self.is_full = len(data) > allowed or not self.sink(data)
            self.truncated = self.is_full
        else:
            room = min(allowed, self.keep_bytes - len(self.body))
            self.body += data[: max(0, room)]
            self.truncated = self.truncated or len(data) > room
            self.is_full = len(data) > allowed
        return -1 if self.is_full else len(data)

    def close_sockets(self) -> None:
        for opened in self._sockets:
            opened.close()

    def failed(self, code: int, os_error: int) -> Failed:
        if self.is_sent:
            return Failed(_AFTER.get(code, "broken"), Outcome.UNKNOWN)
        if self.is_blocked:
            return Failed("blocked_address", Outcome.NOT_SENT)
        if code == pycurl.E_COULDNT_CONNECT and os_error == errno.ECONNREFUSED:
            return Failed("refused", Outcome.NOT_SENT)
        return Failed(_BEFORE.get(code, "unreachable"), Outcome.NOT_SENT)
