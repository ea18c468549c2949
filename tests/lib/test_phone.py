"""What can be a phone number or a user id, and what a mask leaves of it."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosend.lib import phone


@pytest.mark.parametrize(
    "text",
    [
        "5491155550001",  # Argentina, as WhatsApp spells its mobiles
        "541155550001",
        "15550100001",  # 555-01xx, kept for fiction
        "573001234567",
        "5511912345678",
        "551112345678",  # Brazil before the ninth digit
        "525512345678",
        "5215512345678",  # Mexico, with WhatsApp's old 1
        "8613800138000",
        "2250707070707",
        "80012345678",  # international freephone
        "4915112345678",
        "37061234567",
    ],
)
def test_numbers_that_can_exist_are_taken(text: str) -> None:
    assert phone.is_e164_digits(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+5491155550001",
        "549 11 5555-0001",
        "5491155550001\n",
        " 5491155550001",
        "0051987654321",
        "0123456789",
        "123456",
        "1234567",
        "1234567890123456",
        "9991234567",  # no such country
        "8881234567890",
        "12025550",  # too short for its country
        "52155123456789",
        "٥٤٩١١٥٥٥٥٠٠٠١",
        "５４９１１５５５５０００１",
        "54911x5550001",
        "null",
    ],
)
def test_what_cannot_be_a_number_is_refused(text: str) -> None:
    assert not phone.is_e164_digits(text)


def test_the_example_mobile_of_every_country_is_taken() -> None:
    mobile, e164 = phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberFormat.E164
    examples = [
        phonenumbers.example_number_for_type(region, mobile) for region in phonenumbers.SUPPORTED_REGIONS
    ]
    numbers = [phonenumbers.format_number(example, e164).removeprefix("+") for example in examples if example]

    assert len(numbers) > 200
    assert [number for number in numbers if not phone.is_e164_digits(number)] == []


@pytest.mark.parametrize(
    "text", ["AR.abc123", "US.13491208655302741918", "US.ENT.11815799212886844830", "BR." + "a" * 128]
)
def test_business_scoped_user_ids_are_recognised(text: str) -> None:
    assert phone.is_user_id(text)
    assert not phone.is_e164_digits(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AR.",
        "AR",
        "ar.abc",
        "ARG.abc",
        "AR.a-b",
        "AR.ENT.",
        "AR.XYZ.abc",
        "AR.abc\n",
        "5491155550001",
        "BR." + "a" * 129,
    ],
)
def test_other_texts_are_no_user_ids(text: str) -> None:
    assert not phone.is_user_id(text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("5491123453456", "54911•••3456"),
        ("+5491123453456", "+5491•••3456"),
        ("12025550123", "1202•••123"),
        ("1234567", "12•••7"),
        ("1234", "•••"),
        ("", "•••"),
        ("AR.abcdef123456", "AR.ab•••3456"),
    ],
)
def test_a_mask_keeps_the_ends(text: str, masked: str) -> None:
    assert phone.mask(text) == masked


@given(st.text(alphabet="0123456789", min_size=1, max_size=40))
def test_a_mask_hides_at_least_four_characters(text: str) -> None:
    shown = phone.mask(text).replace("•••", "")

    assert len(shown) <= max(0, len(text) - 4)
    assert len(shown) <= 9
