"""The one HTTP client (pycurl): capped, timed, refusing private addresses when told to."""

from enum import Enum


class Outcome(Enum):
    """Whether a request that failed can have reached the other side."""

    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


class Failed(Exception):
    """No response. `reason` is a short stable word; `outcome` says if the peer may have acted on it."""

    def __init__(self, reason: str, outcome: Outcome) -> None:
        super().__init__(reason)
        self.reason = reason
        self.outcome = outcome
