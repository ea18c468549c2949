import datetime
import gzip
import ipaddress
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gosend.lib import http
from tests.lib.raw_server import RawServer, answers, keeps_alive

LOOPBACK = http.Guard((ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def fetch(
    url: str,
    *,
    method: str = "POST",
    headers: dict[str, str] | None = None,
    body: bytes | None = b"{}",
    timeout_seconds: float = 3,
    max_bytes: int = 100_000,
    keep_bytes: int | None = None,
    guard: http.Guard | None = LOOPBACK,
) -> http.Response:
    return http.fetch(
        method=method,
        url=url,
        headers=headers,
        body=body,
        timeout_seconds=timeout_seconds,
        max_bytes=max_bytes,
        keep_bytes=keep_bytes,
        guard=guard,
    )


def failure(url: str, **options: object) -> tuple[str, http.Outcome]:
    with pytest.raises(http.Failed) as caught:
        fetch(url, **options)  # type: ignore[arg-type]
    return caught.value.reason, caught.value.outcome


# --- What is sent and what comes back -------------------------------------------------------------
def test_a_request_is_sent_as_given_and_nothing_is_added_that_matters() -> None:
    with RawServer(answers(OK)) as server:
        fetch(
            server.url("/hook?a=1"),
            headers={"Content-Type": "application/json", "X-Empty": ""},
            body=b'{"a":1}',
        )

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /hook?a=1 HTTP/1.1"
    assert sorted(lines[1:]) == [
        b"Accept: */*",
        b"Content-Length: 7",
        b"Content-Type: application/json",
        f"Host: 127.0.0.1:{server.port}".encode(),
        b"User-Agent: GoSend",
        b"X-Empty:",
    ]
    assert body == b'{"a":1}'


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH"])
def test_other_methods_go_out_under_their_name(method: str) -> None:
    body = b"x" if method in {"PUT", "PATCH"} else None

    with RawServer(answers(OK)) as server:
        response = fetch(server.url(), method=method, body=body)

    assert server.requests[0].startswith(f"{method} / HTTP/1.1\r\n".encode())
    assert server.requests[0].endswith(b"\r\n\r\n" + (body or b""))
    assert response.body == b"ok"


def test_head_does_not_wait_for_a_body() -> None:
    with RawServer(answers(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")) as server:
        response = fetch(server.url(), method="HEAD", body=None)

    assert (response.status, response.headers["content-length"], response.body) == (200, "9999", b"")


def test_a_body_with_zero_bytes_and_a_large_one_arrive_whole() -> None:
    body = b"\x00\xff" * 1_500_000

    with RawServer(answers(OK)) as server:
        fetch(server.url(), body=body)

    assert server.requests[0].endswith(b"\r\n\r\n" + body)
    assert b"\r\nExpect" not in server.requests[0].partition(b"\r\n\r\n")[0]


def test_the_answer_has_status_lower_case_headers_body_and_duration() -> None:
    answer = (
        b"HTTP/1.1 418 Teapot\r\nX-One: 1\r\nx-many: a\r\nX-Many:  b \r\nContent-Length: 3\r\n\r\n\x00\xffz"
    )

    with RawServer(answers(answer, then=lambda _: time.sleep(0.05))) as server:
        response = fetch(server.url())

    assert response.status == 418
    assert response.headers == {"x-one": "1", "x-many": "a, b", "content-length": "3"}
    assert response.body == b"\x00\xffz"
    assert 0 <= response.duration_ms < 1000
    assert response.truncated is False


def test_interim_answers_and_trailers_leave_no_headers() -> None:
    answer = (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Late: 1\r\n\r\n"
    )

    with RawServer(answers(answer)) as server:
        response = fetch(server.url())

    assert (response.status, response.body) == (200, b"ok")
    assert response.headers == {"transfer-encoding": "chunked"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_answers_and_are_not_followed(status: int) -> None:
    with RawServer(keeps_alive()) as elsewhere:
        answer = f"HTTP/1.1 {status} Go\r\nLocation: {elsewhere.url()}\r\nContent-Length: 0\r\n\r\n".encode()
        with RawServer(answers(answer)) as server:
            response = fetch(server.url())

    assert (response.status, response.headers["location"]) == (status, elsewhere.url())
    assert (len(server.requests), elsewhere.connections) == (1, 0)


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(keeps_alive()) as proxy, RawServer(answers(OK)) as server:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        response = fetch(server.url())

    assert (response.status, proxy.connections) == (200, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "1\r\nX-B: 2"),
        ("X-A", "1\nX-B: 2"),
        ("X-A", "a\x00b"),
        ("X-A", "snow ☃"),
        ("X-A: 1\r\nX-B", "2"),
        ("X A", "1"),
        ("", "1"),
        ("Host", "internal"),
        ("content-length", "5"),
        ("Transfer-Encoding", "chunked"),
    ],
)
def test_headers_that_would_change_the_request_are_not_sent(name: str, value: str) -> None:
    with RawServer(answers(OK)) as server:
        result = failure(server.url(), headers={name: value})

    assert result == ("bad_header", http.Outcome.NOT_SENT)
    assert server.connections == 0


# --- Caps -----------------------------------------------------------------------------------------
def test_a_body_of_exactly_the_cap_is_whole_and_one_byte_more_is_cut() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"

    with RawServer(answers(answer % 1000, b"x" * 1000)) as server:
        whole = fetch(server.url(), max_bytes=1000)
    with RawServer(answers(answer % 1001, b"x" * 1001)) as server:
        cut = fetch(server.url(), max_bytes=1000)

    assert (len(whole.body), whole.truncated) == (1000, False)
    assert (cut.status, len(cut.body), cut.truncated) == (200, 1000, True)


def test_only_the_first_bytes_are_kept_and_the_rest_is_read() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + b"a" * 10 + b"b" * 49_990

    with RawServer(answers(answer)) as server:
        response = fetch(server.url(), keep_bytes=12)

    assert (response.body, response.truncated) == (b"a" * 10 + b"bb", True)


def test_an_endless_body_is_left_without_growing() -> None:
    def talk(connection: socket.socket, server: RawServer) -> None:
        server.read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not server.stopping.is_set():
            connection.sendall(b"x" * 65536)

    with RawServer(talk) as server:
        tracemalloc.start()
        response = fetch(server.url(), max_bytes=20_000_000, keep_bytes=2048)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert (response.status, len(response.body), response.truncated) == (200, 2048, True)
    assert peak < 2_000_000


def test_a_reset_after_the_kept_bytes_is_still_a_failure() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 100

    with RawServer(answers(answer)) as server:
        assert failure(server.url(), keep_bytes=10) == ("reset", http.Outcome.UNKNOWN)


def test_a_gzip_bomb_is_neither_asked_for_nor_opened() -> None:
    bomb = gzip.compress(b"\x00" * 10_000_000)
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)

    with RawServer(answers(answer, bomb)) as server:
        response = fetch(server.url())

    assert b"encoding" not in server.requests[0].lower()
    assert response.body == bomb


def test_a_compressed_transfer_is_refused() -> None:
    bomb = gzip.compress(b"\x00" * 1_000_000)
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (
        len(bomb),
        bomb,
    )

    with RawServer(answers(answer)) as server:
        assert failure(server.url()) == ("garbage", http.Outcome.UNKNOWN)


def test_a_dripping_body_ends_at_the_total_time() -> None:
    def talk(connection: socket.socket, server: RawServer) -> None:
        server.read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not server.stopping.wait(0.05):
            connection.sendall(b"x")

    with RawServer(talk) as server:
        started = time.monotonic()
        result = failure(server.url(), timeout_seconds=0.4)
        took = time.monotonic() - started

    assert result == ("timeout", http.Outcome.UNKNOWN)
    assert 0.35 < took < 1.0


def test_dripping_headers_end_at_the_total_time() -> None:
    def talk(connection: socket.socket, server: RawServer) -> None:
        server.read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not server.stopping.wait(0.05):
            connection.sendall(b"X-A: 1\r\n")

    with RawServer(talk) as server:
        assert failure(server.url(), timeout_seconds=0.4) == ("timeout", http.Outcome.UNKNOWN)


@pytest.mark.parametrize(
    "headers",
    [b"X-Big: " + b"a" * 100_000 + b"\r\n", b"X-A: " + b"b" * 90 + b"\r\n", b"X: 1\r\n"],
    ids=["one long line", "many lines", "very many short lines"],
)
def test_huge_headers_are_left(headers: bytes) -> None:
    many = headers * (300_000 // len(headers))

    with RawServer(answers(b"HTTP/1.1 200 OK\r\n" + many + b"\r\n")) as server:
        assert failure(server.url()) == ("too_large", http.Outcome.UNKNOWN)


def test_endless_interim_answers_are_left() -> None:
    interim = b"HTTP/1.1 102 Processing\r\nX-A: " + b"a" * 500 + b"\r\n\r\n"

    with RawServer(answers(interim * 500)) as server:
        assert failure(server.url()) == ("too_large", http.Outcome.UNKNOWN)


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
