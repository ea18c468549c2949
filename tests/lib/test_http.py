"""What the HTTP client sends, takes back and refuses to swallow."""

import gzip
import socket
import time
import tracemalloc

import pytest

from gosend.lib import http
from tests.lib.calls import OK, failure, fetch
from tests.lib.raw_server import RawServer, answers, keeps_alive


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


def test_requests_of_one_kind_in_a_row_each_send_what_is_their_own() -> None:
    """A handle keeps what they have in common; nothing of one may show in the next."""
    asked = [("/1", b"one", "a"), ("/2", b"three", "a"), ("/2", b"4", "b"), ("/3", None, "b")]

    with RawServer(keeps_alive(OK)) as server:
        for path, body, mark in asked:
            method = "POST" if body else "GET"
            fetch(server.url(path), method=method, headers={"X-Mark": mark}, body=body, guard=None)

    for request, (path, body, mark) in zip(server.requests, asked, strict=True):
        head, _, sent = request.partition(b"\r\n\r\n")
        assert head.startswith(f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\n".encode())
        assert f"\r\nX-Mark: {mark}".encode() in head
        assert (b"Content-Length" in head) == (body is not None)
        assert sent == (body or b"")


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
