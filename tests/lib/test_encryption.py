"""Sealed values open in their own row only, under every key of the ring."""

import base64

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from gosend.lib import encryption

CONTEXT = "accounts_metaapp:7:42"


def _flip(sealed: str, position: int) -> str:
    key_id, _, encoded = sealed.partition(":")
    data = bytearray(base64.b64decode(encoded))
    data[position] ^= 1
    return f"{key_id}:{base64.b64encode(data).decode()}"


@given(
    plaintext=st.text(alphabet=st.characters(codec="utf-8")),
    context=st.text(alphabet=st.characters(codec="utf-8")),
)
def test_what_is_sealed_opens_again_in_its_own_row(plaintext: str, context: str) -> None:
    sealed = encryption.seal(plaintext, context=context)

    assert encryption.open_sealed(sealed, context=context) == plaintext


def test_a_sealed_value_shows_nothing_and_is_never_twice_the_same() -> None:
    sealed = {encryption.seal("EAA-secret", context=CONTEXT) for _ in range(50)}

    assert len(sealed) == 50
    assert all("EAA" not in one for one in sealed)


@pytest.mark.parametrize("context", ["", "accounts_metaapp:7:43", "accounts_metaapp:8:42", CONTEXT + " "])
def test_a_value_copied_into_another_row_stays_shut(context: str) -> None:
    sealed = encryption.seal("token", context=CONTEXT)

    with pytest.raises(encryption.CannotOpen):
        encryption.open_sealed(sealed, context=context)


@pytest.mark.parametrize("position", [0, 11, 12, 16, -1])
def test_a_changed_value_stays_shut(position: int) -> None:
    sealed = encryption.seal("token", context=CONTEXT)

    with pytest.raises(encryption.CannotOpen):
        encryption.open_sealed(_flip(sealed, position), context=CONTEXT)


@pytest.mark.parametrize(
    "sealed", ["", "test", "test:", "test:AAAA", "test:é", "test:not base64", "other:AAAA", ":"]
)
def test_what_was_never_sealed_stays_shut(sealed: str) -> None:
    with pytest.raises(encryption.CannotOpen):
        encryption.open_sealed(sealed, context=CONTEXT)


def test_the_message_of_a_refusal_tells_nothing_of_the_value() -> None:
    sealed = encryption.seal("token", context=CONTEXT)

    with pytest.raises(encryption.CannotOpen) as caught:
        encryption.open_sealed(sealed, context="other")

    assert sealed.partition(":")[2] not in str(caught.value)


def test_keys_can_be_changed_without_losing_what_was_sealed(settings: Settings) -> None:
    old, new = encryption.new_key(), encryption.new_key()
    settings.ENCRYPTION_KEYS = old
    first = encryption.seal("token", context=CONTEXT)
    settings.ENCRYPTION_KEYS = f"{new}, {old}"
    second = encryption.seal("token", context=CONTEXT)

    assert (encryption.is_current(first), encryption.is_current(second)) == (False, True)
    assert encryption.open_sealed(first, context=CONTEXT) == "token"

    settings.ENCRYPTION_KEYS = new

    assert encryption.open_sealed(second, context=CONTEXT) == "token"
    with pytest.raises(encryption.CannotOpen):
        encryption.open_sealed(first, context=CONTEXT)


def test_another_key_under_the_same_name_opens_nothing(settings: Settings) -> None:
    name, _, _ = encryption.new_key().partition(":")
    settings.ENCRYPTION_KEYS = f"{name}:{base64.b64encode(b'a' * 32).decode()}"
    sealed = encryption.seal("token", context=CONTEXT)
    settings.ENCRYPTION_KEYS = f"{name}:{base64.b64encode(b'b' * 32).decode()}"

    with pytest.raises(encryption.CannotOpen):
        encryption.open_sealed(sealed, context=CONTEXT)


@pytest.mark.parametrize(
    "ring",
    [
        "",
        " , ,",
        "nocolon",
        ":" + base64.b64encode(b"a" * 32).decode(),
        "a:",
        "a:AAAA",
        "a:not base64",
        "a:" + "A" * 44 + "=",
    ],
)
def test_a_ring_that_is_none_is_refused_without_showing_it(settings: Settings, ring: str) -> None:
    settings.ENCRYPTION_KEYS = ring

    with pytest.raises(encryption.BadKeyRing) as caught:
        encryption.seal("token", context=CONTEXT)

    assert not ring.strip(" ,") or ring not in str(caught.value)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sealed=st.text())
def test_no_text_at_all_raises_anything_but_cannot_open(sealed: str) -> None:
    with pytest.raises(encryption.CannotOpen):
        encryption.open_sealed(f"test:{sealed}", context=CONTEXT)
