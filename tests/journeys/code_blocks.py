"""The code blocks of the documented pages, whose plain text has lost the fences around them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.material import SHARED, page

PAGES = ("gosendapi-api-reference", "gosendapi-messages", "gosendapi-sending-messages")
DIALECT_PAGES = ("whatomate-messages", "session-gateway-send-messages")
# A line that begins like this is code, so some block must hold it.
_CODE = re.compile(r'\s*(curl |-[HFd] |[{}\[\]"]|# |for |done|async |(GET|POST|PUT) /api|GET /v1|X-[A-Z])')
_KINDS = {
    "script": re.compile(r"# Step 1.*?\ndone", re.DOTALL),
    "request": re.compile(r"GET (/v1\S+)"),
    "door": re.compile(r"(?:GET|POST|PUT) /api\S+"),
    "headers": re.compile(r"(?:X-[\w-]+: \d+\n?)+"),
    "phones": re.compile(r'(?:\S{1,3} "\+?[\d ()-]+"\n?)+'),
    "address": re.compile(r"https://[a-z.]+/v1"),
}


@dataclass(frozen=True, slots=True)
class Block:
    """One block as it is printed; `data` holds what a JSON block says."""

    page: str
    line: int
    kind: str
    text: str
    data: Any = None

    @property
    def label(self) -> str:
        return f"{self.page.removeprefix('gosendapi-')}:{self.line}"


def blocks(name: str) -> Iterator[Block]:
    """Cut a page's blocks out, from top to bottom."""
    text = page(name)
    position = 0
    while position < len(text):
        kind, printed, data = _at(text[position:])
        if kind:
            yield Block(name, text.count("\n", 0, position) + 1, kind, printed, data)
            position += len(printed)
        following = text.find("\n", position)
        position = len(text) if following < 0 else following + 1


def all_blocks(pages: tuple[str, ...] = PAGES) -> list[Block]:
    """Every block of every page; none when the pages are not here."""
    if not (SHARED / "sources").is_dir():
        return []
    return [block for name in pages for block in blocks(name)]


def stray_code(name: str) -> list[str]:
    """Lines that look like code and are in no block."""
    held = {
        number
        for block in blocks(name)
        for number in range(block.line, block.line + len(block.text.rstrip("\n").splitlines()))
    }
    lines = enumerate(page(name).splitlines(), 1)
    return [line for number, line in lines if _CODE.match(line) and number not in held]


def table(name: str, heading: str) -> list[list[str]]:
    """The rows of the table under a heading, cell by cell, without its two head lines."""
    lines = page(name).split(f"{heading}\n", 1)[1].splitlines()
    rows: list[list[str]] = []
    for line in lines:
        if not line.startswith(("|", "`")) and "|" not in line:
            break
        rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
    return rows[2:]


def _at(text: str) -> tuple[str, str, Any]:
    if text.startswith("curl "):
        return "shell", _command(text), None
    if text.startswith("{"):
        data, end = json.JSONDecoder().raw_decode(text)
        return _kind_of(data), text[:end], data
    if text.startswith("async function "):
        return "javascript", _function(text), None
    for kind, pattern in _KINDS.items():
        if found := pattern.match(text):
            return kind, found[0], None
    return "", "", None


def _command(text: str) -> str:
    """A command ends where a line ends outside quotes; what is glued to its last word is prose."""
    quote = ""
    for position, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter == "\n" and text[position - 1] != "\\":
            break
    command = text[:position]
    return command[: max(command.rfind('"'), command.rfind("'")) + 1]


def _function(text: str) -> str:
    """A function ends with the brace that closes its first."""
    depth = 0
    for end, letter in enumerate(text, 1):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "}" and depth == 0:
            return text[:end]
    raise ValueError("a function does not end")


def _kind_of(data: dict[str, Any]) -> str:
    for key, kind in (
        ("statusCode", "problem"),
        ("event", "event"),
        ("wa_message_id", "answer"),
        ("status", "envelope"),
    ):
        if key in data:
            return kind
    return "body"
