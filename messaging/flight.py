"""Calls to Meta in the air: as many side by side as a drain may have, and what comes back from them."""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from functools import partial

from gosend.lib import http, logs, metrics
from gosend.lib.crew import Crew
from gosend.whatsapp import errors
from gosend.whatsapp.client import GraphClient
from gosend.whatsapp.errors import GraphError
from messaging.intents import Intent
from messaging.outcomes import Answer, Landed

log = logging.getLogger(__name__)

# Calls that one drain has in the air: at Meta's 100 ms they carry more than the 1,000 messages per second of
# its highest tier.
CALLS_AT_ONCE = 192
# Intents that wait for a thread whose call is over, so that the air stays full while the next are prepared
# and answers are recorded. Where the process is killed they are unknown too, though nothing of them went out;
# where it is told to stop they are recalled.
_AHEAD = 32
# Drains that run side by side in a worker and still find a thread for each of their calls.
_DRAINS = 6
# Kept for the life of the process: the connections to Meta live in its threads.
_crew = Crew(_DRAINS * CALLS_AT_ONCE, name="sends")


class Flight:
    """The calls of one drain. Only its own thread may use it.

    Calls to a Meta in this very process are made at once: there is no network to wait for.
    """

    def __init__(self, client: GraphClient) -> None:
        self._client = client
        self._waiting: deque[Intent] = deque()
        self._calling = 0
        self._lock = threading.Lock()
        self._landed: deque[Landed] = deque()
        self._enough = threading.Event()
        self._wanted = 1
        self.in_air = 0

    @property
    def room(self) -> int:
        return CALLS_AT_ONCE + _AHEAD - self.in_air

    def start(self, intents: Sequence[Intent], *, here: bool = False) -> None:
        """Make the calls, in the order given; `here` in this thread, one after the other.

        What is in the air counts from here until it is taken back by `landed`.
        """
        self.in_air += len(intents)
        for intent in intents:
            if here or self._client.is_in_process:
                self._landed.append(call(self._client, intent))
            else:
                self._submit(intent)

    def _submit(self, intent: Intent) -> None:
        with self._lock:
            if self._calling >= CALLS_AT_ONCE:
                self._waiting.append(intent)
                return
            self._calling += 1
        try:
            _crew.submit(partial(self._call, intent))
        except RuntimeError:
            log.exception("no thread for the call of message %s", intent.claim.message_id)
            with self._lock:
                self._calling -= 1
            self._landed.append(_not_begun(intent, "no_thread"))

    def _call(self, first: Intent) -> None:
        """Make a call, and those that have come to wait by its end."""
        intent: Intent | None = first
        while intent:
            self._landed.append(call(self._client, intent))
            if len(self._landed) >= self._wanted:
                self._enough.set()
            with self._lock:
                intent = self._waiting.popleft() if self._waiting else None
                if intent is None:
                    self._calling -= 1

    def recall(self) -> list[Intent]:
        """Take back the intents whose calls have not begun and will not."""
        with self._lock:
            recalled = list(self._waiting)
            self._waiting.clear()
        self.in_air -= len(recalled)
        return recalled

    def landed(self, *, most: int, seconds: float) -> list[Landed]:
        """What is over: as soon as it is `most`, or all that is in the air, or the time is up."""
        self._wanted = min(most, self.in_air)
        if len(self._landed) < self._wanted:
            self._enough.clear()
            if len(self._landed) < self._wanted:
                self._enough.wait(seconds)
        taken = [self._landed.popleft() for _ in range(len(self._landed))]
        self.in_air -= len(taken)
        return taken


def call(client: GraphClient, intent: Intent) -> Landed:
    """Make the call, unless it is too late for it; count and time it, and say on the log how it went.

    Whatever goes wrong, it lands: a drain waits for all that it has begun.
    """
    if time.monotonic() > intent.begin_before:
        return _not_begun(intent, "too_late")
    started = time.monotonic()
    with logs.about(message_id=intent.claim.message_id, request=intent.request_id):
        answer = _ask(client, intent)
        try:
            _tell(answer, time.monotonic() - started)
        except Exception:
            log.exception("the call for message %s could not be counted", intent.claim.message_id)
    return Landed(intent, answer)


def _not_begun(intent: Intent, why: str) -> Landed:
    answer = errors.from_failed(http.Failed(why, http.Outcome.NOT_SENT))
    return Landed(intent, answer, is_begun=False)


def _ask(client: GraphClient, intent: Intent) -> Answer:
    try:
        return client.send_message(phone_number_id=intent.phone_number_id, body=intent.body)
    except GraphError as error:
        return error
    except Exception:
        # A fault of ours, at a point nobody knows: so nobody knows whether Meta has the message.
        log.exception("the call for message %s broke", intent.claim.message_id)
        return errors.from_failed(http.Failed("broken", http.Outcome.UNKNOWN))


def _tell(answer: Answer, seconds: float) -> None:
    outcome = answer.outcome.name.lower() if isinstance(answer, GraphError) else "sent"
    metrics.SEND_SECONDS.observe(seconds, outcome)
    level = logging.DEBUG if outcome == "sent" else logging.INFO
    log.log(level, "call to Meta: %s, code %s, %d ms", outcome, getattr(answer, "code", None), seconds * 1000)
