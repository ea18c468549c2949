"""JSON lines; secrets and numbers never printed."""

import json
import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from gosend.lib import phone

# The id of the request, or of the task, that the present line belongs to.
request_id: ContextVar[str] = ContextVar("request_id", default="")

_SECRETS = (
    (re.compile(r"\b(gsk_(?:live_|test_)?|whsec_|whsk_|whm_)[A-Za-z0-9+/=_-]+"), r"\1***"),
    (re.compile(r"\b(wa_)[A-Za-z0-9]{20,}"), r"\1***"),
    (re.compile(r"\b(EAA)[A-Za-z0-9]{12,}"), r"\1***"),
    (re.compile(r"\b(Bearer|Basic|OAuth)\s+[^\s\"',;]+", re.IGNORECASE), r"\1 ***"),
    (re.compile(r"\b(access_token|appsecret_proof|client_secret)=[^\s&\"']+"), r"\1=***"),
    (re.compile(r"(://)[^/\s@]+@"), r"\1***@"),
)
# Eight to fifteen digits standing alone, or written with a plus and the usual gaps. Longer runs are
# ids; runs inside a UUID or a hash have letters or dashes beside them.
_PHONE = re.compile(r"(?<![A-Za-z0-9-])(?<!\d\.)(?:\+\d[\d ().-]{6,20}\d|\d{8,15})(?![A-Za-z0-9-])")
_STANDARD = {*vars(logging.LogRecord("", 0, "", 0, "", (), None)), "message", "asctime", "taskName"}


def redact(text: str) -> str:
    """Blank out keys, tokens and secrets, and mask what looks like a phone number."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return _PHONE.sub(lambda match: phone.mask(match[0]), text)


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
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        line |= {name: _clean(value) for name, value in extra.items() if name not in line}
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack"] = redact(record.stack_info)
        # Half a surrogate pair is no UTF-8 and must not stop the line.
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
