"""JSON lines; secrets and numbers never printed."""

import json
import logging
import math
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from gosend.lib import phone

# Nothing of this is ever printed, and looking it up costs more than a third of a line.
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
logging._srcfile = None  # the library's own way not to look for the caller

# The id of the request, or of the task, that the present line belongs to.
request_id: ContextVar[str] = ContextVar("request_id", default="")
# What else it is about: the ids of a message, a delivery, a callback.
_about: ContextVar[Mapping[str, str]] = ContextVar("about", default={})  # noqa: B039 -- never changed in place

_SECRETS = (
    (re.compile(r"\b(gsk_(?:live_|test_)?|whsec_|whsk_|whm_)[A-Za-z0-9+/=_-]+"), r"\1***"),
    (re.compile(r"\b(wa_)[A-Za-z0-9]{20,}"), r"\1***"),
    (re.compile(r"\b(EAA)[A-Za-z0-9]{12,}"), r"\1***"),
    (re.compile(r"\b(Bearer|Basic|OAuth)\s+[^\s\"',;]+", re.IGNORECASE), r"\1 ***"),
    (re.compile(r"\b(access_token|appsecret_proof|client_secret)=[^\s&\"']+"), r"\1=***"),
    (re.compile(r"(://)[^/\s@]+@"), r"\1***@"),
    # A wamid holds the other side's number in base64; its end tells it from others.
    (re.compile(r"\b(wamid\.)[A-Za-z0-9+/=_-]*?([A-Za-z0-9+/=_-]{0,8})(?![A-Za-z0-9+/=_-])"), r"\1***\2"),
    # What PostgreSQL and pydantic quote from the row or the value that they refuse.
    (re.compile(r"^(DETAIL|CONTEXT):.*$", re.MULTILINE), r"\1: ***"),
    (re.compile(r"\b(input_value)=.*?(, input_type=|\]?$)", re.MULTILINE | re.DOTALL), r"\1=***\2"),
)
# Eight to fifteen digits standing alone, or written with a plus and the usual gaps. Longer runs are
# ids; runs inside a UUID or a hash have letters or dashes beside them.
_PHONE = re.compile(r"(?<![A-Za-z0-9-])(?<!\d\.)(?:\+\d[\d ().-]{6,20}\d|\d{8,15})(?![A-Za-z0-9-])")
_RECORD = vars(logging.LogRecord("", 0, "", 0, "", (), None))
_STANDARD = {*_RECORD, "message", "asctime", "taskName"}
_PLAIN = len(_RECORD)  # a record with more has extras


@contextmanager
def about(*, request: str = "", **ids: object) -> Iterator[None]:
    """Put these ids on every line within: `about(message_id=1, request=…)`; empty ones are left out."""
    found = {name: str(value) for name, value in ids.items() if value not in (None, "")}
    token = _about.set({**_about.get(), **found})
    request_token = request_id.set(request) if request else None
    try:
        yield
    finally:
        _about.reset(token)
        if request_token is not None:
            request_id.reset(request_token)


def redact(text: str) -> str:
    """Blank out keys, tokens and secrets, and mask what looks like a phone number."""
    return _redact_short(text) if len(text) <= _SHORT else _redact(text)


def _redact(text: str) -> str:
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return _PHONE.sub(lambda match: phone.mask(match[0]), text)


# The line of a request comes again and again in the same words, and the patterns cost more than it.
_SHORT = 80
_redact_short = lru_cache(maxsize=2048)(_redact)


class Sparse(logging.Filter):
    """What a library says again and again is printed every so many seconds, with how often it was left out.

    A worker or beat without its broker complains several times a second, each time with kilobytes of
    traceback: gigabytes a day.
    """

    def __init__(self, *, of: Sequence[str], seconds: float) -> None:
        super().__init__()
        self._of, self._seconds = tuple(of), seconds
        self._lock = threading.Lock()
        # When each was printed, and how often it was left out since.
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or not record.name.startswith(self._of):
            return True
        key, now = (record.name, str(record.msg)), time.monotonic()
        with self._lock:
            said_at, left_out = self._said.get(key, (-math.inf, 0))
            if now < said_at + self._seconds:
                self._said[key] = said_at, left_out + 1
                return False
            if len(self._said) >= _MAX_SAID:
                self._said.clear()
            self._said[key] = now, 0
        if left_out:
            record.left_out = left_out
        return True


_MAX_SAID = 1000


class JsonFormatter(logging.Formatter):
    """One JSON object per line; what is passed as `extra` becomes fields of it."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(_message(record)),
        }
        if current := request_id.get():
            line["request_id"] = current
        line |= _about.get()
        if len(vars(record)) > _PLAIN:
            extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
            line |= {redact(name): _clean(value) for name, value in extra.items() if name not in line}
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack"] = redact(record.stack_info)
        try:
            return orjson.dumps(line).decode()
        except TypeError:  # half a surrogate pair, or a number beyond 64 bits: neither may stop the line
            return json.dumps(line, ensure_ascii=False).encode(errors="replace").decode()


def _message(record: logging.LogRecord) -> str:
    """Fill in the arguments; ones that do not fit would be printed raw by `logging` itself."""
    try:
        return record.getMessage()
    except Exception as error:  # whatever a foreign __str__ raises
        return f"{record.msg} ({type(error).__name__} in its arguments)"


def _clean(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {redact(str(name)): _clean(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    return redact(str(value))
