"""Our message id inside `biz_opaque_callback_data`, which Meta echoes in every status."""

import re

_FORM = re.compile(r"gosend:(\d{1,19}):(\d{1,5})\Z")


def write(*, message_id: int, attempt: int) -> str:
    return f"gosend:{message_id}:{attempt}"


def message_id(text: str) -> int | None:
    """Read the id back; None for anything that we did not write."""
    found = _FORM.match(text)
    return int(found[1]) if found and int(found[1]) < 2**63 else None
