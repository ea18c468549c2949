"""Signatures agree with the published vectors, and nothing malformed raises."""

import base64
import datetime
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from gosend.lib import signing

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("key", "message_id", "timestamp", "body", "signature"),
    [
        (KEY, ID, AT, BODY.decode(), SIGNATURE),
        (
            OTHER,
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1649367553,
            '{"email":"test@example.com","username":"test_user"}',
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
        (
            KEY,
            "msg_x",
            1700000000,
            "¿Confirmás tu turno? 👋",
            "v1,IkHdKiGvAoB2P1wRinJ3PVxIcaNa/lOVlsgPJi0XFRk=",
        ),
        (KEY, "msg_x", 1700000000, "", "v1,ll3dCNfN2E/NdIQ2lDLcMTg4uKGnQ1Z6CIH4YP58h7k="),
    ],
)
def test_the_published_vectors_come_out(
    key: str, message_id: str, timestamp: int, body: str, signature: str
) -> None:
    headers = signing.standard_headers([key], message_id=message_id, timestamp=timestamp, body=body.encode())

    assert headers == {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature,
    }
    assert signing.verify_standard(key, headers, body.encode(), now=timestamp)


@given(body=st.text(), message_id=st.uuids())
def test_the_library_of_the_standard_accepts_what_we_sign(body: str, message_id: object) -> None:
    now = int(datetime.datetime.now(datetime.UTC).timestamp())
    secret = signing.new_webhook_secret()
    raw = body.encode()

    headers = signing.standard_headers([KEY, secret], message_id=str(message_id), timestamp=now, body=raw)

    theirs = Webhook(secret)
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    assert headers["webhook-signature"].split()[1] == theirs.sign(str(message_id), moment, body)


def test_the_library_of_the_standard_verifies_a_whole_delivery() -> None:
    now = int(datetime.datetime.now(datetime.UTC).timestamp())
    secret = signing.new_webhook_secret()

    headers = signing.standard_headers([KEY, secret], message_id="a", timestamp=now, body=b'{"n": 1}')

    assert Webhook(secret).verify(b'{"n": 1}', headers) == {"n": 1}
    assert Webhook(KEY).verify(b'{"n": 1}', headers) == {"n": 1}


def test_we_accept_what_the_library_of_the_standard_signs() -> None:
    moment = datetime.datetime.fromtimestamp(AT, datetime.UTC)
    headers = {
        "Webhook-Id": ID,
        "Webhook-Timestamp": str(AT),
        "Webhook-Signature": Webhook(KEY).sign(ID, moment, BODY.decode()),
    }

    assert signing.verify_standard(KEY, headers, BODY, now=AT + 299)


def test_during_a_rotation_old_and_new_secret_both_verify() -> None:
    headers = signing.standard_headers([OTHER, KEY], message_id=ID, timestamp=AT, body=BODY)

    assert headers["webhook-signature"].split(" ")[1] == SIGNATURE
    assert signing.verify_standard(KEY, headers, BODY, now=AT)
    assert signing.verify_standard(OTHER, headers, BODY, now=AT)
    assert not signing.verify_standard(signing.new_webhook_secret(), headers, BODY, now=AT)


@pytest.mark.parametrize(("offset", "valid"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_a_delivery_is_valid_for_five_minutes_around_its_timestamp(offset: int, valid: bool) -> None:
    headers = signing.standard_headers([KEY], message_id=ID, timestamp=AT, body=BODY)

    assert signing.verify_standard(KEY, headers, BODY, now=AT + offset) is valid


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg_other"},
        {"webhook-id": ""},
        {"webhook-timestamp": str(AT + 1)},
        {"webhook-timestamp": f" {AT} "},
        {"webhook-timestamp": f"+{AT}"},
        {"webhook-timestamp": f"{AT}.0"},
        {"webhook-timestamp": "1614_265330"},
        {"webhook-timestamp": "١٦١٤٢٦٥٣٣٠"},
        {"webhook-timestamp": f"{AT}\n"},
        {"webhook-timestamp": "9" * 5000},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": ""},
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": SIGNATURE[3:]},
        {"webhook-signature": SIGNATURE.lower()},
        {"webhook-signature": SIGNATURE[:-1]},
        {"webhook-signature": SIGNATURE + "="},
        {"webhook-signature": "v1a," + SIGNATURE[3:]},
        {"webhook-signature": "v1,,x"},
        {"webhook-signature": "v1,not base64!"},
        {"webhook-signature": "v1,é☃\ud800"},
    ],
)
def test_a_changed_or_malformed_delivery_is_invalid_and_never_an_exception(changed: dict[str, str]) -> None:
    headers = signing.standard_headers([KEY], message_id=ID, timestamp=AT, body=BODY) | changed

    assert signing.verify_standard(KEY, headers, BODY, now=AT) is False


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_delivery_without_one_of_its_headers_is_invalid(missing: str) -> None:
    headers = signing.standard_headers([KEY], message_id=ID, timestamp=AT, body=BODY)
    del headers[missing]

    assert signing.verify_standard(KEY, headers, BODY, now=AT) is False


def test_unknown_signatures_beside_a_valid_one_do_not_disturb() -> None:
    headers = signing.standard_headers([KEY], message_id=ID, timestamp=AT, body=BODY)
    headers["webhook-signature"] = f"v1a,AAAA v2,x  v1,, {SIGNATURE} v1"

    assert signing.verify_standard(KEY, headers, BODY, now=AT)


def test_the_signed_text_cannot_be_cut_elsewhere() -> None:
    body = f"{AT}.x".encode()
    headers = signing.standard_headers([KEY], message_id="a", timestamp=1, body=body)
    moved = headers | {"webhook-id": "a.1", "webhook-timestamp": str(AT)}

    assert signing.verify_standard(KEY, headers, body, now=1)
    assert not signing.verify_standard(KEY, moved, b"x", now=AT)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_not base64", "whsec_é"])
def test_a_secret_that_is_none_verifies_nothing(secret: str) -> None:
    headers = signing.standard_headers([KEY], message_id=ID, timestamp=AT, body=BODY)

    assert signing.verify_standard(secret, headers, BODY, now=AT) is False


def test_a_body_that_is_no_utf8_is_signed_and_verified() -> None:
    headers = signing.standard_headers([KEY], message_id=ID, timestamp=AT, body=b"\xff\xfe\x00")

    assert signing.verify_standard(KEY, headers, b"\xff\xfe\x00", now=AT)
    assert not signing.verify_standard(KEY, headers, b"\xff\xfe", now=AT)


def test_new_secrets_differ_and_fit_the_standard() -> None:
    secrets = {signing.new_webhook_secret() for _ in range(100)}

    assert len(secrets) == 100
    for secret in secrets:
        assert secret.startswith("whsec_")
        assert 24 <= len(base64.b64decode(secret[6:], validate=True)) <= 64


# --- Meta's signature and GoSend's own --------------------------------------------------------------
# RFC 4231, test case 2.
RFC = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_a_hub_signature_is_the_hmac_of_the_raw_body() -> None:
    assert signing.hub_signature("Jefe", b"what do ya want for nothing?") == RFC


def test_gosends_signature_takes_the_whole_secret_as_key() -> None:
    expected = hmac.new(KEY.encode(), BODY, hashlib.sha256).hexdigest()

    assert signing.gosend_signature(KEY, BODY) == f"sha256={expected}"
    assert signing.verify_gosend(KEY, BODY, f"sha256={expected}") is True
    assert signing.verify_gosend(KEY.removeprefix("whsec_"), BODY, f"sha256={expected}") is False


def test_the_secret_that_matches_is_told() -> None:
    body = '{"text":"¿Qué tal? 👋 \\ud83d\\udc4b"}'.encode()
    header = signing.hub_signature("second", body)

    assert signing.hub_matches(["first", "second", "second"], body, header) == 1
    assert signing.hub_matches(iter(["second"]), body, header) == 0
    assert signing.hub_matches(["first"], body, header) is None
    assert signing.hub_matches([], body, header) is None
    assert signing.hub_matches(["second"], body + b" ", header) is None


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        RFC.removeprefix("sha256="),
        RFC.upper(),
        "sha256=" + RFC.removeprefix("sha256=").upper(),
        RFC[:-1],
        RFC + "0",
        RFC + "\n",
        " " + RFC,
        "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        RFC.replace("sha256=", "sha1="),
        RFC.replace("5", "５"),
        "sha256=é☃",
        "\ud800",
        "x" * 100_000,
    ],
)
def test_an_odd_hub_header_matches_nothing_and_raises_nothing(header: str | None) -> None:
    assert signing.hub_matches(["Jefe"], b"what do ya want for nothing?", header) is None
    assert signing.verify_gosend("Jefe", b"what do ya want for nothing?", header) is False
