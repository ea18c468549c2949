"""What a run holds, and who has its next thread: what hangs, and any one tenant, leave some to others."""

import threading
from collections import Counter, deque
from collections.abc import Iterator

from webhooks_app.claims import PER_ENDPOINT, Bounds, Claim
from webhooks_app.models import WebhookEndpoint

# A post that takes as long is slow, whatever comes of it: threads that are free again sooner keep nobody
# waiting whose event has just happened.
SLOW_SECONDS = 1.0


class _Slow:
    """Endpoints whose last post was slow, or is so far; known to this process alone, the latest thousand."""

    _MOST = 1000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: dict[int, None] = {}

    def note(self, endpoint_id: int) -> bool:
        """Remember one; tell whether that is news."""
        with self._lock:
            is_news = endpoint_id not in self._ids
            self._ids[endpoint_id] = None
            if len(self._ids) > self._MOST:
                del self._ids[next(iter(self._ids))]
        return is_news

    def forget(self, endpoint_id: int) -> None:
        with self._lock:
            self._ids.pop(endpoint_id, None)

    def all(self) -> list[int]:
        with self._lock:
            return list(self._ids)

    def has(self, endpoint: WebhookEndpoint) -> bool:
        return endpoint.failing_since is not None or endpoint.pk in self._ids


slow = _Slow()


class Hand:
    """The claims of one run, those that wait for a thread and those on the wire.

    Of its threads a tenant has three quarters at the most, and all that is slow or fails has half: a thread
    that hangs is gone for seconds, and others' events must find one meanwhile.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._most_of_tenant = threads * 3 // 4
        self._most_slow = threads // 2
        # With the moments at which they were claimed, by endpoint.
        self._waiting: dict[int, deque[tuple[Claim, float]]] = {}
        # With the moments at which they went out, by delivery, so the oldest first.
        self._on_wire: dict[int, tuple[Claim, float]] = {}
        self._of_endpoint: Counter[int] = Counter()
        self._of_tenant: Counter[int] = Counter()

    @property
    def busy(self) -> int:
        return len(self._on_wire)

    @property
    def held(self) -> int:
        return self.busy + sum(map(len, tuple(self._waiting.values())))

    @property
    def has_room(self) -> bool:
        """Whether a thread is free for whatever falls due. Other threads may ask."""
        slow_on_wire = self._slow_on_wire()
        # A tenant's quick posts give its threads back within a moment: no other run need begin for that.
        is_at_most = max(tuple(self._of_tenant.values()), default=0) >= self._most_of_tenant
        is_bounded = slow_on_wire > 0 and is_at_most
        return not is_bounded and self.busy < self._threads and slow_on_wire < self._most_slow

    def bounds(self, lot: int) -> Bounds:
        """What may be claimed beside this, so that it finds a thread: in a larger lot no fewer for others."""
        held = [claim for claim, _ in self._on_wire.values()]
        held += [claim for waiting in self._waiting.values() for claim, _ in waiting]
        most = lot - self._threads + self._most_of_tenant
        of_tenant = Counter(claim.delivery.endpoint.tenant_id for claim in held)
        return Bounds(
            of_tenant=most,
            of_tenants={tenant_id: max(0, most - count) for tenant_id, count in of_tenant.items()},
            slow=slow.all(),
            of_slow=max(0, self._most_slow - sum(slow.has(claim.delivery.endpoint) for claim in held)),
        )

    def keep(self, claim: Claim, *, at: float) -> None:
        self._waiting.setdefault(claim.delivery.endpoint_id, deque()).append((claim, at))

    def startable(self) -> Iterator[tuple[Claim, float]]:
        """Claims to begin now, an endpoint after the other; what is on the wire counts as it goes out."""
        for endpoint_id in list(self._waiting):
            waiting = self._waiting[endpoint_id]
            if not self._may_begin(waiting[0][0].delivery.endpoint):
                continue
            self._waiting[endpoint_id] = self._waiting.pop(endpoint_id)  # behind the others
            while waiting and self._may_begin(waiting[0][0].delivery.endpoint):
                found = waiting.popleft()
                if not waiting:
                    del self._waiting[endpoint_id]
                yield found

    def begin(self, claim: Claim, *, at: float) -> None:
        self._on_wire[claim.delivery.pk] = (claim, at)
        self._of_endpoint[claim.delivery.endpoint_id] += 1
        self._of_tenant[claim.delivery.endpoint.tenant_id] += 1

    def end(self, claim: Claim) -> None:
        """Take back what is no longer on the wire."""
        del self._on_wire[claim.delivery.pk]
        _take_one(self._of_endpoint, claim.delivery.endpoint_id)
        _take_one(self._of_tenant, claim.delivery.endpoint.tenant_id)

    def let_go(self, endpoint_id: int) -> list[Claim]:
        """Give up what waits for a thread of an endpoint's."""
        return [claim for claim, _ in self._waiting.pop(endpoint_id, ())]

    def let_go_all(self) -> list[Claim]:
        return [claim for endpoint_id in list(self._waiting) for claim in self.let_go(endpoint_id)]

    def is_held_up(self, *, now: float) -> bool:
        """Whether something has been on the wire for long."""
        return any(now - began > SLOW_SECONDS for _, began in self._on_wire.values())

    def note_slow(self, *, now: float) -> list[Claim]:
        """Find what hangs; give up what waits behind it, which was claimed as if it were quick."""
        hanging = {
            claim.delivery.endpoint_id
            for claim, began in self._on_wire.values()
            if now - began > SLOW_SECONDS
        }
        return [claim for one in hanging if slow.note(one) for claim in self.let_go(one)]

    def let_go_late(self, *, before: float) -> list[Claim]:
        """Give up what was claimed before a moment and found no thread."""
        late = [one for one, waiting in self._waiting.items() if waiting[0][1] < before]
        return [claim for endpoint_id in late for claim in self.let_go(endpoint_id)]

    def _may_begin(self, endpoint: WebhookEndpoint) -> bool:
        if self.busy >= self._threads or self._of_endpoint[endpoint.pk] >= PER_ENDPOINT:
            return False
        if self._of_tenant[endpoint.tenant_id] >= self._most_of_tenant:
            return False
        return not slow.has(endpoint) or self._slow_on_wire() < self._most_slow

    def _slow_on_wire(self) -> int:
        return sum(slow.has(claim.delivery.endpoint) for claim, _ in tuple(self._on_wire.values()))


def _take_one(counts: Counter[int], key: int) -> None:
    """Count one less, and keep no zeros: a run may see many endpoints."""
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
