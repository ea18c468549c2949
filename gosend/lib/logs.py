"""JSON lines; secrets and numbers never printed."""

import logging
from contextvars import ContextVar

# The id of the request, or of the task, that the present line belongs to.
request_id: ContextVar[str] = ContextVar("request_id", default="")


class JsonFormatter(logging.Formatter):
    pass
