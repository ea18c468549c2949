"""What happens during a request, as libcurl calls back, and what is made of its failure."""

import errno
import ipaddress
import socket
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Any

import pycurl

from gosend.lib.addresses import Guard

MAX_HEADER_BYTES = 64 * 1024


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


class Exchange:
    """What happens during the requests of one handle, one after the other, as libcurl calls back."""

    def begin(
        self,
        url: str,
        guard: Guard | None,
        max_bytes: int,
        keep_bytes: int,
        sink: Callable[[bytes], bool] | None,
    ) -> None:
        self.guard, self._sink = guard, sink
        self._scheme = url.partition(":")[0].lower()
        self._max_bytes, self._keep_bytes = max_bytes, keep_bytes
        self.body = bytearray()
        self.truncated = self.is_full = self.is_sent = self.is_blocked = self.is_stuck = False
        self._received = self._header_bytes = 0
        self._lines: list[bytes] = []
        self._sockets: list[socket.socket] = []

    def end(self) -> None:
        self._sink = None
        for opened in self._sockets:
            opened.close()

    def _refuses(self, host: str, port: int) -> bool:
        """Judge the very address of a connection; noted, because libcurl may go on to the next one."""
        if self.guard is None:
            return False
        refused = _is_refused(self.guard, self._scheme, host, port)
        self.is_blocked = self.is_blocked or refused
        return refused

    def open_socket(self, _purpose: int, target: Any) -> Any:
        if target.family not in {socket.AF_INET, socket.AF_INET6} or self._refuses(*target.addr[:2]):
            return pycurl.SOCKET_BAD
        try:
            opened = socket.socket(target.family, target.socktype, target.protocol)
        except OSError:
            return pycurl.SOCKET_BAD
        self._sockets.append(opened)  # pycurl works on a duplicate of it
        return opened

    def before_request(self, host: str, _local: str, port: int, _local_port: int) -> int:
        """Called when connected (TLS included) and before the first byte of a request.

        libcurl repeats a request, a POST too, when a reused connection ends without an answer. The
        peer may have acted on the first one, so a second is never let through.
        """
        if self.is_sent or self._refuses(host, port):
            return _ABORT
        self.is_sent = True
        return _GO_ON

    def take_header(self, line: bytes) -> int:
        self._header_bytes += len(line)
        if self._header_bytes > MAX_HEADER_BYTES:
            return -1
        self._lines.append(line)
        return len(line)

    def headers(self) -> dict[str, str] | None:
        """Read the lines that have come; None when their end has not."""
        found: dict[str, str] = {}
        in_headers = False
        for line in self._lines:
            if line.startswith(b"HTTP/"):  # an interim response (1xx) was not the last word
                found.clear()
                in_headers = True
            elif line in {b"\r\n", b"\n"}:
                in_headers = False
            elif in_headers:  # trailers come later and are dropped
                name, _, value = line.decode("latin-1").partition(":")
                name, value = name.strip().lower(), value.strip()
                found[name] = f"{found[name]}, {value}" if name in found else value
        return None if in_headers else found

    def take_body(self, data: bytes) -> int:
        allowed = self._max_bytes - self._received
        self._received += len(data)
        if self._sink:
            self.is_full = len(data) > allowed or not self._sink(data)
            self.truncated = self.is_full
        else:
            room = min(allowed, self._keep_bytes - len(self.body))
            self.body += data[: max(0, room)]
            self.truncated = self.truncated or len(data) > room
            self.is_full = len(data) > allowed
        return -1 if self.is_full else len(data)

    def failed(self, code: int, os_error: int) -> Failed:
        """What a failure is called; `is_stuck` when its handle may be at work on it still."""
        if self.is_sent:
            return Failed(_AFTER.get(code, "broken"), Outcome.UNKNOWN)
        self.is_stuck = code == pycurl.E_OPERATION_TIMEDOUT
        if self.is_blocked:
            return Failed("blocked_address", Outcome.NOT_SENT)
        if code == pycurl.E_COULDNT_CONNECT and os_error == errno.ECONNREFUSED:
            return Failed("refused", Outcome.NOT_SENT)
        return Failed(_BEFORE.get(code, "unreachable"), Outcome.NOT_SENT)


_ABORT, _GO_ON = int(pycurl.PREREQFUNC_ABORT), int(pycurl.PREREQFUNC_OK)


@lru_cache(maxsize=1024)
def _is_refused(guard: Guard, scheme: str, host: str, port: int) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return True
    return guard.refusal(address, scheme=scheme, port=port) is not None
