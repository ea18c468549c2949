"""One number's messages on their way out: claimed, intended, in the air, answered; many at a time."""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Self

from django.db import InterfaceError, OperationalError, connection

from accounts.models import PhoneNumber
from gosend.lib import doorbell, stop
from gosend.lib.absence import persist
from gosend.whatsapp.client import GraphClient
from messaging import claims, intents, media, outcomes, pacing, pairs, porters, throughput
from messaging.flight import Flight
from messaging.intents import Draft, Intent
from messaging.outcomes import Landed

log = logging.getLogger(__name__)

# Intents that one statement commits: at least so many where as many wait, so that statements are few.
_INTENTS_AT_LEAST = 8
_INTENTS_AT_MOST = 64
# More is claimed as soon as fewer wait here, so that no place stays empty for want of a draft.
_DRAFTS_AT_LEAST = 20
# Where calls are made one after the other, most of a batch would wait with its outcome owed.
_INTENTS_HERE = 8
# Answers are kept as soon as they are so many, or the oldest has waited so many seconds, or none is to come.
_ANSWERS = 96
_ANSWER_SECONDS = 0.05
_WAIT_SECONDS = 0.02
# Messages whose files are being brought to Meta, or wait for a porter, before no more is claimed.
_FILES_WAITING = 32


class Line:
    """Carries claims to their outcomes. What goes wrong with one message never touches the others.

    `here` makes the calls in this thread, one after the other, as a request that waits for its own
    message does. Leaving the block waits for what is in the air and hands back the rest; a file that is
    being brought by then is brought to its end, and its try counts: a host may take longer than a drain.
    """

    def __init__(self, *, client: GraphClient, number: PhoneNumber, here: bool = False) -> None:
        self._client = client
        self._number = number
        self._here = here
        self._flight = Flight(client)
        self._drafts: deque[Draft] = deque()
        self._linked: dict[int, Draft] = {}
        self._brought: deque[tuple[Draft, media.Ids | media.NotBrought]] = deque()
        self._under_way: set[int] = set()
        # Held while a porter begins or ends, so that each file is either the line's or its porter's.
        self._handing_over = threading.Lock()
        self._is_closed = False
        self._answers: list[Landed] = []
        self._answered_at = 0.0
        self.handed_back = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @property
    def is_idle(self) -> bool:
        return not (self._drafts or self._linked or self._flight.in_air or self._answers)

    @property
    def has_room(self) -> bool:
        """Whether it is worth claiming more: hardly anything that can go out waits here."""
        return len(self._drafts) < _DRAFTS_AT_LEAST and len(self._linked) < _FILES_WAITING

    def add(self, taken: Sequence[claims.Claim]) -> None:
        """Take claims on; nothing of them goes out before the next turn.

        Where that fails they go back at once: else all of them would lie until their leases end, and count
        as lost with their worker.
        """
        try:
            drafts = self._admitted(taken)
        except Exception:
            self._hand_back(taken)
            raise
        self._drafts.extend(draft for draft in drafts if not draft.links)
        linked = [draft for draft in drafts if draft.links]
        self._linked.update((draft.claim.message_id, draft) for draft in linked)
        if not self._here:
            for draft in linked:
                self._start_bringing(draft)

    def _admitted(self, taken: Sequence[claims.Claim]) -> list[Draft]:
        read = intents.read(taken)
        drafts = pairs.admit(number=self._number, drafts=read)
        if put_off := len(read) - len(drafts):
            throughput.give_back(number=self._number, count=put_off)
            self.handed_back += put_off
        return drafts

    def turn(self) -> None:
        """Wait a moment for answers, send what there is room for, then keep the answers.

        In this order the air is full again before what came from it is recorded.
        """
        self._collect()
        self._send()
        if self._here:
            self._bring_here()
        self._board_brought()
        if self._linked and not self._flight.in_air:
            time.sleep(_WAIT_SECONDS)
        self._keep_due()

    def _send(self) -> None:
        is_one_by_one = self._here or self._client.is_in_process
        most = _INTENTS_HERE if is_one_by_one else _INTENTS_AT_MOST
        room = min(self._flight.room, most)
        if not self._drafts or room < min(len(self._drafts), most, _INTENTS_AT_LEAST):
            return
        batch = [self._drafts.popleft() for _ in range(min(room, len(self._drafts)))]
        self._flight.start(_commit(batch), here=self._here)

    def _land(self) -> None:
        self._collect()
        self._keep_due()

    def _collect(self) -> None:
        landed = self._flight.landed(most=_INTENTS_AT_LEAST, seconds=_WAIT_SECONDS)
        pairs.heed(number=self._number, landed=landed)
        if landed and not self._answers:
            self._answered_at = time.monotonic()
        self._answers += landed

    def _keep_due(self) -> None:
        is_late = time.monotonic() - self._answered_at >= _ANSWER_SECONDS
        if len(self._answers) >= _ANSWERS or is_late or not self._flight.in_air:
            self._keep()

    def _keep(self) -> None:
        kept, self._answers = self._answers, []
        for one in kept:
            pacing.judged(one.answer)
        outcomes.keep(kept)
        for one in kept:
            pacing.heed(self._number, one.answer)

    # --- Messages that name files by link: those are at Meta before anything is intended -----------
    def _start_bringing(self, draft: Draft) -> None:
        porters.submit(partial(self._bring, draft), tenant_id=self._number.tenant_id, owner=self)

    def _bring(self, draft: Draft) -> None:
        """Bring a message's files, as a porter; what none has begun is handed back when the line ends."""
        with self._handing_over:
            if self._is_closed:
                return
            self._under_way.add(draft.claim.message_id)
        try:
            files = media.bring(client=self._client, number=self._number, links=draft.links, ask=porters.ask)
            with self._handing_over:
                is_late = self._is_closed
                if not is_late:
                    self._brought.append((draft, files))
            if is_late:
                porters.ask(partial(self._end_late, draft.claim, files))
        except Exception:
            # Its claim runs out, and it is taken up again, five times at most.
            log.exception("the files of message %s were brought in vain", draft.claim.message_id)

    def _end_late(self, claim: claims.Claim, files: media.Ids | media.NotBrought) -> None:
        """The line has ended: the file is known to the next one, or its try counts."""
        if isinstance(files, media.NotBrought):
            self._put_off(claim, files)
        else:
            persist(lambda: claims.hand_back([claim]))
            doorbell.ring("messaging.drain", number_id=self._number.pk)

    def _bring_here(self) -> None:
        for draft in list(self._linked.values()):
            self._board(draft, media.bring(client=self._client, number=self._number, links=draft.links))
            self._land()

    def _board(self, draft: Draft, files: media.Ids | media.NotBrought) -> None:
        message_id = draft.claim.message_id
        if self._linked.pop(message_id, None) is None:
            return
        if isinstance(files, media.NotBrought):
            self._put_off(draft.claim, files)
        else:
            self._flight.start(_commit([draft], {message_id: files}), here=self._here)

    def _board_brought(self) -> None:
        """Send those that have their files, as far as there is room; what has none is put off in any case."""
        for _ in range(len(self._brought)):
            draft, files = self._brought.popleft()
            if isinstance(files, media.NotBrought) or self._flight.room > 0:
                self._board(draft, files)
            else:
                self._brought.append((draft, files))

    def _put_off(self, claim: claims.Claim, problem: media.NotBrought) -> None:
        persist(lambda: outcomes.put_off(claim, problem))
        if problem.answer:
            pacing.heed(self._number, problem.answer)

    # --- The end ----------------------------------------------------------------------------------
    def _close(self) -> None:
        try:
            held = self._let_go()
            self._drafts.clear()
            self._linked.clear()
            porters.withdraw(self)
            if held:
                self._hand_back(held)
        finally:
            while self._flight.in_air or self._answers:
                self._land()

    def _hand_back(self, held: Sequence[claims.Claim]) -> None:
        persist(lambda: claims.hand_back(held))
        throughput.give_back(number=self._number, count=len(held))
        self.handed_back += len(held)

    def _let_go(self) -> list[claims.Claim]:
        """What to hand back; what a porter carries stays its own, unless the process is to stop.

        Where that is so, or Meta has said to wait, also what is intended and has not begun.
        """
        with self._handing_over:
            self._is_closed = True
        is_to_stop = stop.asked.is_set()
        is_halted = is_to_stop or pacing.held_seconds(self._number) > 0
        if not is_halted:
            self._board_brought()
        recalled = self._flight.recall() if is_halted else []
        brought = {draft.claim.message_id for draft, _ in self._brought}
        carried = set() if is_to_stop else self._under_way - brought
        linked = [draft for draft in self._linked.values() if draft.claim.message_id not in carried]
        drafts = [draft.claim for draft in (*self._drafts, *linked)]
        return drafts + [intent.claim for intent in recalled]


def _commit(drafts: Sequence[Draft], files: dict[int, media.Ids] | None = None) -> list[Intent]:
    """Commit intents; when the batch fails, each by itself."""
    try:
        return intents.commit(drafts, files)
    except Exception as error:
        if _is_connection_lost(error):
            # Whether it was committed nobody knows; but no call was made, so they may go back.
            log.warning("the database went away before %d calls; they are handed back", len(drafts))
            persist(lambda: claims.hand_back([draft.claim for draft in drafts]))
            return []
        if len(drafts) == 1:
            # Nothing went out: its claim runs out and it is taken up again, five times at most.
            log.exception("message %s could not be prepared", drafts[0].claim.message_id)
            return []
    return [intent for draft in drafts for intent in _commit([draft], files)]


def _is_connection_lost(error: Exception) -> bool:
    lost = isinstance(error, OperationalError | InterfaceError)
    return lost and not connection.in_atomic_block and not connection.is_usable()
