"""The buttons of templates: how many, in which order, and what each must say."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gosend.whatsapp import template_texts as texts
from gosend.whatsapp.template_texts import Json
from gosend.whatsapp.violations import Violation, shown

MAX_BUTTONS = 10
MAX_TEXT_CHARACTERS = 25
MAX_URL_CHARACTERS = 2000
MAX_PHONE_CHARACTERS = 20
MAX_CODE_CHARACTERS = 20
# Of the coupon code beside a limited-time offer.
MAX_OFFER_CODE_CHARACTERS = 15
MAX_APPS = 5
OTP_TYPES = ("COPY_CODE", "ONE_TAP", "ZERO_TAP")
# Type -> how many of it a template may have.
MOST: Mapping[str, int] = {
    "QUICK_REPLY": 10,
    "URL": 2,
    "PHONE_NUMBER": 1,
    "COPY_CODE": 1,
    "OTP": 1,
    "FLOW": 1,
    "CATALOG": 1,
    "MPM": 1,
    "SPM": 1,
    "VOICE_CALL": 1,
    "REQUEST_CONTACT_INFO": 1,
    "ORDER_DETAILS": 1,
    "APP": 1,
}
# The label of these is Meta's, or may be left to it.
_WITHOUT_TEXT = frozenset(
    {"COPY_CODE", "OTP", "REQUEST_CONTACT_INFO", "CATALOG", "MPM", "SPM", "ORDER_DETAILS"}
)


def check(
    piece: Json,
    path: str,
    *,
    is_authentication: bool = False,
    has_offer: bool = False,
    most: int = MAX_BUTTONS,
) -> Iterator[Violation]:
    """Check the component BUTTONS."""
    buttons = piece.get("buttons")
    path = f"{path}.buttons"
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= most:
        yield Violation(
            path,
            f"must have 1 to {most} buttons",
            limit=most,
            value=len(buttons) if isinstance(buttons, list) else shown(buttons),
            missing=buttons is None,
        )
        return
    kinds = [texts.kind_of(button) for button in buttons]
    yield from _counts(kinds, path)
    yield from _grouping(kinds, path)
    yield from _authentication(kinds, path, is_authentication)
    code_limit = MAX_OFFER_CODE_CHARACTERS if has_offer else MAX_CODE_CHARACTERS
    for index, (kind, button) in enumerate(zip(kinds, buttons, strict=True)):
        yield from _button(kind, button, f"{path}[{index}]", code_limit)


def _counts(kinds: list[str], path: str) -> Iterator[Violation]:
    for kind, count in Counter(kinds).items():
        limit = MOST.get(kind)
        if limit is not None and count > limit:
            yield Violation(path, f"must have at most {limit} of type {kind}", limit=limit, value=count)


def _grouping(kinds: list[str], path: str) -> Iterator[Violation]:
    """Quick replies stand together, before or after all others."""
    places = [index for index, kind in enumerate(kinds) if kind == "QUICK_REPLY"]
    if not places or len(places) == len(kinds):
        return
    is_one_run = places[-1] - places[0] + 1 == len(places)
    if not is_one_run or (places[0] != 0 and places[-1] != len(kinds) - 1):
        yield Violation(
            path,
            "must have its QUICK_REPLY buttons together, before or after the others",
            value=", ".join(kinds),
        )


def _authentication(kinds: list[str], path: str, is_authentication: bool) -> Iterator[Violation]:
    if is_authentication and kinds != ["OTP"]:
        yield Violation(path, "must be one OTP button in an AUTHENTICATION template", value=", ".join(kinds))
    elif not is_authentication and "OTP" in kinds:
        yield Violation(path, "may have an OTP button only in an AUTHENTICATION template", value="OTP")


def _button(kind: str, button: Any, path: str, code_limit: int) -> Iterator[Violation]:
    if not isinstance(button, dict):
        yield Violation(path, "must be an object", value=shown(button))
        return
    if kind not in MOST:
        yield Violation(
            f"{path}.type", "is no type of button", limit=list(MOST), value=shown(kind), missing=not kind
        )
        return
    if kind not in _WITHOUT_TEXT or button.get("text") is not None:
        yield from texts.length(button.get("text"), f"{path}.text", MAX_TEXT_CHARACTERS)
        yield from _plain(button.get("text"), f"{path}.text")
    if kind == "COPY_CODE":
        yield from _coupon(button, path, code_limit)
    elif checker := _CHECKS.get(kind):
        yield from checker(button, path)


def _plain(text: object, path: str) -> Iterator[Violation]:
    if isinstance(text, str) and texts.variables(text):
        yield Violation(path, "must have no variables", limit=0, value=shown(text))


def _url(button: Json, path: str) -> Iterator[Violation]:
    """One variable at most, `{{1}}`, at the very end."""
    url = button.get("url")
    yield from texts.length(url, f"{path}.url", MAX_URL_CHARACTERS)
    if not isinstance(url, str):
        return
    if not url.lower().startswith(("https://", "http://")):
        yield Violation(f"{path}.url", "must begin with https:// or http://", value=shown(url))
    if "{{" not in url:
        return
    if url.count("{{") != 1 or not url.endswith("{{1}}"):
        yield Violation(f"{path}.url", "may have one variable, {{1}}, at its end", limit=1, value=shown(url))
    elif not _texts(button.get("example")):
        yield Violation(
            f"{path}.example",
            "is required: the URL with an example in place of {{1}}",
            limit=1,
            value=shown(button.get("example")),
            missing=button.get("example") is None,
        )


def _phone(button: Json, path: str) -> Iterator[Violation]:
    yield from texts.length(button.get("phone_number"), f"{path}.phone_number", MAX_PHONE_CHARACTERS)


def _coupon(button: Json, path: str, limit: int) -> Iterator[Violation]:
    given = button.get("example")
    examples = _texts(given)
    if not examples:
        yield Violation(
            f"{path}.example", "is required: a code as an example", value=shown(given), missing=given is None
        )
    elif len(examples[0]) > limit:
        yield Violation(
            f"{path}.example", f"must have at most {limit} characters", limit=limit, value=shown(examples[0])
        )


def _flow(button: Json, path: str) -> Iterator[Violation]:
    names = ("flow_id", "flow_name", "flow_json")
    if sum(button.get(name) is not None for name in names) != 1:
        yield Violation(path, f"must have one of {', '.join(names)}", limit=1, missing=True)


def _otp(button: Json, path: str) -> Iterator[Violation]:
    kind = button.get("otp_type")
    if not isinstance(kind, str) or kind.upper() not in OTP_TYPES:
        yield Violation(
            f"{path}.otp_type",
            f"must be one of {', '.join(OTP_TYPES)}",
            limit=list(OTP_TYPES),
            value=shown(kind),
            missing=kind is None,
        )
        return
    if kind.upper() == "COPY_CODE":
        return
    yield from _apps(button, path)
    if kind.upper() == "ZERO_TAP" and button.get("zero_tap_terms_accepted") is not True:
        yield Violation(
            f"{path}.zero_tap_terms_accepted",
            "must be true",
            value=shown(button.get("zero_tap_terms_accepted")),
        )


def _apps(button: Json, path: str) -> Iterator[Violation]:
    """The apps that may take the code; one app may stand on the button itself."""
    apps = button.get("supported_apps")
    if apps is None and button.get("package_name") and button.get("signature_hash"):
        return
    path = f"{path}.supported_apps"
    if not isinstance(apps, list) or not 1 <= len(apps) <= MAX_APPS:
        yield Violation(
            path, f"must have 1 to {MAX_APPS} apps", limit=MAX_APPS, value=shown(apps), missing=apps is None
        )
        return
    for index, app in enumerate(apps):
        for key in ("package_name", "signature_hash"):
            if not isinstance(app, dict) or not isinstance(app.get(key), str) or not app[key]:
                yield Violation(f"{path}[{index}].{key}", "is required", missing=True)


def _texts(value: object) -> list[str]:
    """One text or a list of texts, as Meta takes examples of buttons; empty when it is neither."""
    items: list[Any] = value if isinstance(value, list) else [value]
    return items if all(isinstance(item, str) and item for item in items) else []


_CHECKS: Mapping[str, Callable[[Json, str], Iterator[Violation]]] = {
    "URL": _url,
    "PHONE_NUMBER": _phone,
    "FLOW": _flow,
    "OTP": _otp,
}
