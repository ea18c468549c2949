"""Graph's refusals: what became of the request, and what to do."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gosend.lib import http
from gosend.whatsapp import errors
from gosend.whatsapp.errors import RULES, Outcome
from gosend.whatsapp.wire import GraphResponse

NOT_SENT, FINAL, UNKNOWN = Outcome.NOT_SENT, Outcome.FINAL, Outcome.UNKNOWN

# Written down here once more, from Meta's table and not from ours: which codes there are.
DOCUMENTED = """
0 1 2 3 4 10 33 100 104 190 200-299 368 613 80007 130403 130429 130472 130497 131000 131005 131008 131009
131014 131016 131020 131021 131026 131030 131031 131037 131041 131042 131044 131045 131047 131048 131049
131050 131051 131052 131053 131055 131056 131057 131059 131060 131061 131062 131063 131064 131201-131215
132000 132001 132005 132007 132012 132015 132016 132018 132021 132068 132069 133000 133004 133005 133006
133008 133009 133010 133015 133016 134011 134100 134101 134102 135000 136024 137000 138000-138018
139000-139004 139100-139103 147001-147005 200005-200007 1752041 2388012 2388019 2388023 2388024 2388039
2388040 2388047 2388072 2388073 2388091 2388093 2388103 2388293 2388299 2494100 2593107-2593109
"""
THROTTLES = {4, 613, 80007, 130429, 131048, 131056, 131057, 131208, 132069, 133015, 134101, 139103}
DOUBTFUL = {1, 2, 131000, 131016, 133004}


def _codes() -> set[int]:
    found = set()
    for word in DOCUMENTED.split():
        first, _, last = word.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def _answer(status: int, error: object, headers: dict[str, str] | None = None) -> GraphResponse:
    return GraphResponse(status=status, body=json.dumps({"error": error}).encode(), headers=headers or {})


def test_the_table_is_closed() -> None:
    assert set(RULES) == _codes()


def test_only_throttles_may_be_sent_again_and_only_faults_are_doubtful() -> None:
    assert {code for code, rule in RULES.items() if rule.outcome is NOT_SENT} == THROTTLES
    assert {code for code, rule in RULES.items() if rule.outcome is UNKNOWN} == DOUBTFUL
    assert {code for code, rule in RULES.items() if rule.backoff_seconds} == THROTTLES


def test_every_code_has_a_title_and_a_cure_in_a_sentence() -> None:
    for code, rule in RULES.items():
        assert errors.explain(code=code) is rule, code
        assert rule.code == code
        assert rule.title, code
        assert rule.cure.endswith("."), code
        assert rule.cure[0].isupper(), code


@pytest.mark.parametrize("code", [0, 3, 10, 190, 200, 250, 368, 131031, 131042, 131045, 133010])
def test_some_need_whoever_runs_the_account(code: int) -> None:
    rule = errors.explain(code=code)

    assert (rule.outcome, rule.needs_operator) == (FINAL, True)


@pytest.mark.parametrize("code", [100, 131026, 131047, 132001])
def test_most_are_the_senders_own_matter(code: int) -> None:
    assert errors.explain(code=code).needs_operator is False


@pytest.mark.parametrize(
    ("code", "subcode", "title"),
    [
        (190, 463, "Token expired"),
        (0, 467, "Token withdrawn"),
        (100, 2388024, "Template exists"),
        (100, 33, "Invalid parameter"),
        (190, 99, "Token not accepted"),
        (130429, 2388024, "Number's throughput reached"),
        (999_999, None, "Refused by Meta"),
        (None, None, "Refused by Meta"),
    ],
)
def test_a_subcode_says_more_only_about_its_own_code(
    code: int | None, subcode: int | None, title: str
) -> None:
    assert errors.explain(code=code, subcode=subcode).title == title


def test_a_throttle_is_read_with_all_it_says() -> None:
    error = errors.from_response(
        _answer(
            400,
            {
                "message": "(#130429) Rate limit hit",
                "type": "OAuthException",
                "code": 130429,
                "error_subcode": 2494055,
                "error_data": {"messaging_product": "whatsapp", "details": "Throughput has been reached."},
                "fbtrace_id": "Az8or2yhqkZfEZ",
            },
        )
    )

    assert (error.outcome, error.needs_operator, error.retry_after) == (NOT_SENT, False, 1)
    assert (error.code, error.subcode, error.http_status) == (130429, 2494055, 400)
    assert error.as_dict() == {
        "code": 130429,
        "title": "Number's throughput reached",
        "message": "(#130429) Rate limit hit",
        "details": "Throughput has been reached.",
        "fbtrace_id": "Az8or2yhqkZfEZ",
        "cure": "The number sends faster than Meta allows; it is tried again in seconds.",
    }


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (400, 131026, FINAL),
        (400, 999_999, FINAL),
        (404, 132001, FINAL),
        (401, 190, FINAL),
        (403, 130429, NOT_SENT),
        (503, 130429, NOT_SENT),
        (500, 131057, NOT_SENT),
        (500, 131045, FINAL),
        (500, 3, FINAL),
        (500, 131000, UNKNOWN),
        (400, 131000, UNKNOWN),
        (400, 1, UNKNOWN),
        (503, 2, UNKNOWN),
        (500, 100, UNKNOWN),
        (500, 999_999, UNKNOWN),
        (429, 999_999, NOT_SENT),
        (200, 131026, FINAL),
        (400, "131026", FINAL),
    ],
)
def test_the_code_decides_before_the_http_status(status: int, code: object, outcome: Outcome) -> None:
    assert errors.from_response(_answer(status, {"code": code})).outcome is outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, UNKNOWN),
        (302, UNKNOWN),
        (408, UNKNOWN),
        (500, UNKNOWN),
        (502, UNKNOWN),
        (504, UNKNOWN),
        (403, FINAL),
        (429, NOT_SENT),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error":"x"}', b"\xff", b"[" * 100_000])
def test_an_answer_without_graphs_error_is_judged_by_its_status(
    status: int, outcome: Outcome, body: bytes
) -> None:
    error = errors.from_response(GraphResponse(status=status, body=body))

    assert error.outcome is outcome
    assert error.code is None
    assert error.message == f"HTTP {status}, unreadable"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 300),
        ({"retry-after": "900"}, 900),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 300),
        ({"retry-after": "1e300"}, 86_400),
        ({"retry-after": "nan"}, 300),
        ({"retry-after": "-5"}, 300),
        ({"x-business-use-case-usage": '{"1":[{"estimated_time_to_regain_access":20}]}'}, 1200),
        ({"x-business-use-case-usage": '{"1":[{"call_count":100}],"2":7,"3":[null]}'}, 300),
        ({"x-business-use-case-usage": "{"}, 300),
    ],
)
def test_a_throttle_waits_for_the_longest_that_was_said(headers: dict[str, str], seconds: float) -> None:
    assert errors.from_response(_answer(400, {"code": 80007}, headers)).retry_after == seconds


def test_what_is_no_throttle_has_nothing_to_wait_for() -> None:
    error = errors.from_response(_answer(400, {"code": 131026}, {"retry-after": "10"}))

    assert error.retry_after is None


def test_details_are_found_where_management_calls_put_them() -> None:
    plain = errors.from_response(_answer(400, {"code": 100, "error_data": "no such field"}))
    for_users = errors.from_response(
        _answer(400, {"code": 100, "error_user_title": "Name taken", "error_user_msg": "Choose another."})
    )

    assert plain.details == "no such field"
    assert (for_users.title, for_users.details) == ("Name taken", "Choose another.")


def test_the_trace_may_stand_in_a_header() -> None:
    error = errors.from_response(_answer(400, {"code": 100}, {"x-fb-trace-id": "Ctrace"}))

    assert error.fbtrace_id == "Ctrace"


@pytest.mark.parametrize(
    ("reached", "outcome"), [(http.Outcome.NOT_SENT, NOT_SENT), (http.Outcome.UNKNOWN, UNKNOWN)]
)
def test_a_request_without_an_answer_is_judged_by_how_far_it_came(
    reached: http.Outcome, outcome: Outcome
) -> None:
    error = errors.from_failed(http.Failed("dns", reached))

    assert error.outcome is outcome
    assert (error.code, error.http_status, error.details) == (None, None, "dns")


def test_an_error_in_a_status_has_the_same_shape() -> None:
    item = {
        "code": 131047,
        "title": "Re-engagement message",
        "message": "Re-engagement message",
        "error_data": {"details": "More than 24 hours have passed."},
        "href": "https://example.org",
    }

    assert errors.from_status(item) == {
        "code": 131047,
        "title": "Re-engagement message",
        "message": "Re-engagement message",
        "details": "More than 24 hours have passed.",
        "fbtrace_id": "",
        "cure": "The person has not written for 24 hours: send an approved template.",
    }


@pytest.mark.parametrize(
    "odd", [None, [], "x", {}, {"code": None}, {"code": True}, {"code": "x", "title": 7}]
)
def test_an_odd_error_in_a_status_still_has_a_cure(odd: object) -> None:
    told = errors.from_status(odd)

    assert (told["code"], told["title"]) == (None, "Refused by Meta")
    assert told["cure"] != ""


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)
_ERRORS = st.dictionaries(
    st.sampled_from(
        ["code", "error_subcode", "message", "error_data", "error_user_msg", "fbtrace_id", "title"]
    ),
    _JSON,
)


@settings(max_examples=100, deadline=None)
@given(status=st.integers(100, 599), error=_ERRORS | _JSON, header=st.text(max_size=20))
def test_no_answer_stops_the_reading(status: int, error: object, header: str) -> None:
    headers = {"retry-after": header, "x-business-use-case-usage": header}

    told = errors.from_response(_answer(status, error, headers)).as_dict()

    assert json.loads(json.dumps(told)) == told
