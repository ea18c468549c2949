"""Failures of the HTTP client: not sent or unknown, never repeated, guarded when connecting."""

import datetime
import ipaddress
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gosend.lib import http
from tests.lib.calls import LOOPBACK, OK, failure, fetch
from tests.lib.raw_server import RawServer, answers, keeps_alive


# --- Not sent, or unknown -------------------------------------------------------------------------
def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_refused_connection_was_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    assert failure(f"http://127.0.0.1:{port}/") == ("refused", http.Outcome.NOT_SENT)


def test_a_name_that_does_not_exist_was_not_sent() -> None:
    # `.invalid` needs no network to be unknown: libcurl never asks for it, and no resolver knows it.
    assert failure("http://nowhere.invalid/") == ("dns", http.Outcome.NOT_SENT)


def test_a_connection_that_is_never_accepted_was_not_sent() -> None:
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for waiting in (first, second):  # fill the queue of the listener; Linux then drops what comes
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())

        result = failure(f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout_seconds=0.3)

    assert result == ("connect_timeout", http.Outcome.NOT_SENT)


def test_a_server_that_takes_the_request_and_says_nothing_is_unknown() -> None:
    def talk(connection: socket.socket, server: RawServer) -> None:
        server.read_request(connection)
        server.stopping.wait(3)

    with RawServer(talk) as server:
        assert failure(server.url(), timeout_seconds=0.3) == ("timeout", http.Outcome.UNKNOWN)

    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        ((), "closed"),
        ((b"HTTP/1.1 200 OK\r\n",), "reset"),
        ((b"HTTP/1.1 200 OK\r\nContent-Le",), "reset"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",), "reset"),
        ((b"HTTP/1.1 103 Early Hints\r\n\r\n",), "closed"),
        ((b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2",), "closed"),
        ((b"HTTP/1.1 101 Switching Protocols\r\n\r\n",), "closed"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",), "reset"),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",), "reset"),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab",), "reset"),
        ((b"SSH-2.0-OpenSSH_9.2\r\n",), "garbage"),
        ((b"\x00\x01\x02\x03" * 40,), "garbage"),
        ((b"HTTP/9.9 200 OK\r\n\r\n",), "garbage"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",), "garbage"),
    ],
)
def test_a_broken_answer_is_unknown(pieces: tuple[bytes, ...], reason: str) -> None:
    with RawServer(answers(*pieces)) as server:
        assert failure(server.url()) == (reason, http.Outcome.UNKNOWN)

    assert len(server.requests) == 1


@pytest.mark.parametrize("pieces", [(), (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",)])
def test_a_reset_after_the_request_is_unknown(pieces: tuple[bytes, ...]) -> None:
    with RawServer(answers(*pieces, then=_reset)) as server:
        assert failure(server.url()) == ("reset", http.Outcome.UNKNOWN)


# --- Keep-alive -----------------------------------------------------------------------------------
def test_one_thread_uses_its_connection_again_and_another_has_its_own() -> None:
    with RawServer(keeps_alive()) as server:
        for _ in range(3):
            fetch(server.url())
        after_one_thread = server.connections
        thread = threading.Thread(target=fetch, args=(server.url(),))
        thread.start()
        thread.join()

    assert (after_one_thread, server.connections, len(server.requests)) == (1, 2, 4)


@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize(
    ("method", "body"), [("POST", b"{}"), ("POST", b""), ("DELETE", None), ("GET", None)]
)
def test_a_request_is_never_repeated_on_a_connection_that_dies_without_an_answer(
    method: str, body: bytes | None, ending: str
) -> None:
    def talk(connection: socket.socket, server: RawServer) -> None:
        server.read_request(connection)
        connection.sendall(OK)
        server.read_request(connection)
        if ending == "reset":
            _reset(connection)

    with RawServer(talk) as server:
        fetch(server.url("/first"), method=method, body=body)
        reason, outcome = failure(server.url("/second"), method=method, body=body)

    assert outcome is http.Outcome.UNKNOWN
    assert reason in {"closed", "reset"}
    assert [request.split()[1] for request in server.requests] == [b"/first", b"/second"]


def test_a_connection_that_the_server_closed_while_idle_is_replaced() -> None:
    with RawServer(answers(OK)) as server:
        for path in ("/first", "/second", "/third"):
            assert fetch(server.url(path)).status == 200
            time.sleep(0.05)

    assert [request.split()[1] for request in server.requests] == [b"/first", b"/second", b"/third"]
    assert server.connections == 3


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one() -> None:
    with RawServer(keeps_alive(OK + b"HTTP/1.1 500 Planted\r\nContent-Length: 0\r\n\r\n")) as server:
        for _ in range(3):
            assert fetch(server.url()).status == 200
            time.sleep(0.05)


def test_a_forked_process_leaves_the_connections_of_its_parent_alone() -> None:
    script = """
import os, sys
from gosend.lib import http
def get(): return http.fetch(method="GET", url=sys.argv[1], timeout_seconds=3, max_bytes=9, guard=None).status
assert get() == 200
child = os.fork()
if not child:
    os._exit(0 if get() == 200 else 1)
assert os.waitpid(child, 0)[1] == 0
assert get() == 200
"""
    with RawServer(keeps_alive()) as server:
        subprocess.run([sys.executable, "-c", script, server.url()], check=True, timeout=20)  # noqa: S603

    assert (server.connections, len(server.requests)) == (2, 3)


# --- The guard when connecting --------------------------------------------------------------------
ONLY_V6 = http.Guard((ipaddress.ip_network("::1/128"),))


def test_a_name_that_leads_to_an_address_outside_is_refused_before_connecting() -> None:
    with RawServer(keeps_alive()) as server:
        result = failure(server.url(host="localhost"), guard=ONLY_V6)

    assert result == ("blocked_address", http.Outcome.NOT_SENT)
    assert server.connections == 0


def test_an_open_connection_is_judged_again_by_the_guard_of_each_request() -> None:
    with RawServer(keeps_alive()) as server:
        allowed = fetch(server.url("/one", host="localhost"), guard=LOOPBACK)
        result = failure(server.url("/two", host="localhost"), guard=ONLY_V6)

    assert allowed.status == 200
    assert result == ("blocked_address", http.Outcome.NOT_SENT)
    assert [request.split()[1] for request in server.requests] == [b"/one"]


def test_a_blocked_port_looks_the_same_whether_it_is_open_or_not() -> None:
    with RawServer(keeps_alive()) as server:
        opened = failure(server.url(host="localhost"), guard=ONLY_V6)
    closed = failure(server.url(host="localhost"), guard=ONLY_V6)

    assert opened == closed


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://169.254.169.254/latest/meta-data", "blocked_address"),
        ("https://[64:ff9b::a9fe:a9fe]/", "blocked_address"),
        ("https://2130706433/", "blocked_address"),
        ("https://example.com:25/", "blocked_address"),
        ("https://user@example.com/", "bad_url"),
        ("http://example.com/", "bad_url"),
        ("gopher://example.com/", "bad_url"),
        ("file:///etc/passwd", "bad_url"),
        ("https://example.com/ x", "bad_url"),
    ],
)
def test_a_bad_url_is_refused_again_when_sending(url: str, reason: str) -> None:
    assert failure(url, guard=http.Guard()) == (reason, http.Outcome.NOT_SENT)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "gopher://127.0.0.1:1/", "ftp://127.0.0.1/", "http://", ""]
)
def test_only_http_is_spoken_even_without_a_guard(url: str) -> None:
    assert failure(url, guard=None) == ("bad_url", http.Outcome.NOT_SENT)


def test_without_a_guard_the_operators_address_is_called() -> None:
    with RawServer(answers(OK)) as server:
        assert fetch(server.url(), guard=None).status == 200


# --- TLS ------------------------------------------------------------------------------------------
def _certificate(directory: Path, host: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = directory / f"{host}.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[RawServer, Path]]:
    path = _certificate(tmp_path, "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    with RawServer(keeps_alive(), tls=context) as server:
        yield server, path


def test_an_unknown_certificate_is_not_sent_to(tls_server: tuple[RawServer, Path]) -> None:
    server, _ = tls_server

    result = failure(server.url(scheme="https", host="localhost"))

    assert result == ("tls", http.Outcome.NOT_SENT)
    assert server.requests == []


def test_an_authority_of_ones_own_is_named_by_ssl_cert_file(
    tls_server: tuple[RawServer, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, path = tls_server
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(path))

    for _ in range(3):
        assert fetch(server.url(scheme="https", host="localhost")).status == 200
    assert server.connections == 1
    # The certificate does not name the address.
    assert failure(server.url(scheme="https")) == ("tls", http.Outcome.NOT_SENT)
    assert len(server.requests) == 3


def test_a_handshake_that_breaks_or_hangs_was_not_sent() -> None:
    def hang(_connection: socket.socket, server: RawServer) -> None:
        server.stopping.wait(3)

    def plain(connection: socket.socket, _server: RawServer) -> None:
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with RawServer(hang) as server:
        hung = failure(server.url(scheme="https"), timeout_seconds=0.3)
    with RawServer(plain) as server:
        broken = failure(server.url(scheme="https"))

    assert hung == ("connect_timeout", http.Outcome.NOT_SENT)
    assert broken == ("tls", http.Outcome.NOT_SENT)
