"""The suite's own accounting and its proxy: a suite that cannot fail proves nothing."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from messaging import flight
from tests.faults import catalogue, full_air, kill_points, kills, report
from tests.faults.ledger import Counts, Seen, settle
from tests.faults.proxy import (
    ANSWER_LOST,
    GARBAGE_200,
    HANG,
    HTML_500,
    PASS,
    RESET_EARLY,
    RESET_LATE,
    THROTTLED,
    TRUNCATED,
    Act,
    Proxy,
    delayed,
)
from tests.faults.scenario import CATALOGUE, NOT_RUN, Result
from tests.faults.servers import wait_until


def test_a_clean_run_counts_nothing_but_the_accepted() -> None:
    seen = {"1": Seen("sent", "w1"), "2": Seen("read", "w2"), "3": Seen("failed")}

    account = settle(accepted=["1", "2", "3"], seen=seen, at_meta={"1": ["w1"], "2": ["w2"]})

    assert account.counts == Counts(accepted=3)


def test_lost_is_what_nobody_speaks_of_or_what_was_said_falsely() -> None:
    seen = {"1": Seen("queued"), "3": Seen("sent", "w3"), "4": Seen("sent", "other")}

    account = settle(accepted=["1", "2", "3", "4"], seen=seen, at_meta={"1": ["w1"], "4": ["w4"]})

    assert account.lost == ["1", "2", "3", "4"]
    assert account.unreported == ["1"]
    assert account.counts.lost == 4


def test_duplicated_counts_each_time_beyond_the_first() -> None:
    at_meta = {"1": ["a", "b", "c"], "2": ["d", "e"]}
    seen = {"1": Seen("sent", "a"), "2": Seen("sent", "d")}

    account = settle(accepted=["1", "2"], seen=seen, at_meta=at_meta, allowed_twice=["2"])

    assert account.duplicated == ["1", "1"]
    assert account.counts.duplicated == 2


def test_unexpected_is_at_meta_without_a_promise_or_although_failed() -> None:
    account = settle(accepted=["1"], seen={"1": Seen("failed")}, at_meta={"1": ["a"], "9": ["b"]})

    assert account.unexpected == ["1", "9"]


def test_unknown_counts_whoever_was_ever_in_doubt_and_recovered_whoever_was_settled() -> None:
    seen = {"1": Seen("sent", "a"), "2": Seen("unconfirmed"), "3": Seen("unknown")}

    account = settle(accepted=["1", "2", "3"], seen=seen, at_meta={"1": ["a"]}, ever_unknown=["1"])

    assert account.counts == Counts(accepted=3, unknown=3, recovered=1)


@pytest.mark.parametrize("word", ["lost", "duplicated", "unexpected"])
def test_a_scenario_fails_for_one_bad_count_whatever_was_checked(word: str) -> None:
    result = Result("F00", "made up")
    result.check(True, "holds")

    assert result.has_passed
    setattr(result.counts, word, 1)
    assert not result.has_passed


def test_a_scenario_that_checked_nothing_has_not_passed() -> None:
    assert not Result("F00", "made up").has_passed


def test_the_last_line_adds_up() -> None:
    good = Result("F01", "one", Counts(accepted=3, unknown=1, recovered=1), [(True, "holds")])
    bad = Result("F02", "two", Counts(accepted=2, lost=1), [(True, "holds")])

    assert report.last_line([good, bad]) == (
        "faults: scenarios=2 failed=1 accepted=5 lost=1 duplicated=0 unexpected=0 unknown=1"
    )


def test_overshoot_is_what_a_bucket_would_not_have_held() -> None:
    steady = [index / 80 for index in range(400)]

    assert kills.overshoot(steady, rate=80, burst=80) == 0
    assert kills.overshoot([*([0.0] * 100), *steady], rate=80, burst=80) > 15


def test_each_fault_of_the_catalogue_is_played_or_says_why_not() -> None:
    catalogue.load()

    # F35 and F36 are our own.
    assert sorted([*CATALOGUE, *NOT_RUN]) == [f"F{number:02d}" for number in range(1, 37)]


def test_the_air_is_as_wide_as_the_products() -> None:
    assert full_air.CALLS_AT_ONCE == flight.CALLS_AT_ONCE


@pytest.mark.parametrize("name", [*kill_points.POINTS, "prepares"])
def test_the_product_still_has_what_a_kill_point_wraps(name: str) -> None:
    point = kill_points.PREPARES if name == "prepares" else kill_points.POINTS[name]

    assert kill_points.exists(point), f"{point.module}.{point.function} is gone: mend kill_points.POINTS"


# --- The proxy ------------------------------------------------------------------------------------
class _Meta(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    taken: list[str]

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.taken.append(said["biz_opaque_callback_data"])
        body = json.dumps({"messages": [{"id": "wamid.1"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def meta() -> Iterator[tuple[ThreadingHTTPServer, list[str]]]:
    taken: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Meta", (_Meta,), {"taken": taken}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server, taken
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def proxy(meta: tuple[ThreadingHTTPServer, list[str]]) -> Iterator[Proxy]:
    made = Proxy(upstream=int(meta[0].server_address[1]))
    yield made
    made.close()


def _post(proxy: Proxy, timeout: float = 5) -> requests.Response:
    url = f"http://127.0.0.1:{proxy.port}/v25.0/12345/messages"
    body = {"biz_opaque_callback_data": "gosend:1:1", "to": "+5491100000000"}
    return requests.post(url, json=body, timeout=timeout)


def test_the_proxy_passes_on_and_notes_whose_request_it_was(
    proxy: Proxy, meta: tuple[ThreadingHTTPServer, list[str]]
) -> None:
    assert _post(proxy).json() == {"messages": [{"id": "wamid.1"}]}
    assert meta[1] == ["gosend:1:1"]
    seen = proxy.requests[0]
    assert (seen.opaque, seen.to, seen.phone_number_id) == ("gosend:1:1", "+5491100000000", "12345")
    assert seen.act == PASS
    # The answer is out before the proxy has closed the book on the request.
    wait_until(lambda: proxy.in_flight() == 0, seconds=5, what="the request is over")


@pytest.mark.parametrize(
    ("act", "reaches_meta"),
    [(RESET_EARLY, False), (RESET_LATE, False), (ANSWER_LOST, True), (TRUNCATED, True)],
    ids=lambda value: value.name if isinstance(value, Act) else str(value),
)
def test_the_proxy_cuts_the_connection_where_it_was_told(
    proxy: Proxy, meta: tuple[ThreadingHTTPServer, list[str]], act: Act, reaches_meta: bool
) -> None:
    proxy.plan = lambda _request: act

    with pytest.raises(requests.RequestException):
        _post(proxy)

    assert meta[1] == (["gosend:1:1"] if reaches_meta else [])


@pytest.mark.parametrize(
    ("act", "status", "reaches_meta"),
    [(HTML_500, 500, False), (THROTTLED, 400, False), (GARBAGE_200, 200, True)],
)
def test_the_proxy_answers_in_metas_place(
    proxy: Proxy, meta: tuple[ThreadingHTTPServer, list[str]], act: Act, status: int, reaches_meta: bool
) -> None:
    proxy.plan = lambda _request: act

    assert _post(proxy).status_code == status
    assert len(meta[1]) == reaches_meta


def test_the_proxy_hangs_delays_and_refuses(
    proxy: Proxy, meta: tuple[ThreadingHTTPServer, list[str]]
) -> None:
    proxy.plan = lambda _request: HANG
    with pytest.raises(requests.Timeout):
        _post(proxy, timeout=0.3)

    proxy.plan = lambda _request: delayed(0.3)
    started = time.monotonic()
    assert _post(proxy).ok
    assert time.monotonic() - started >= 0.3

    proxy.refuse()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", proxy.port)) != 0
    proxy.listen()
    proxy.plan = lambda _request: PASS
    assert _post(proxy).ok
    assert meta[1] == ["gosend:1:1"] * 2
