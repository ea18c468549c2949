"""Whether web, worker and beat are at work, and whether anything piles up."""

import math
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import connection

from gosend.doctor.findings import Finding, ill, warned, well
from messaging import backlog
from webhooks_app import backlog as webhooks

# A process reports every few seconds; one not seen for as long is gone.
_PROCESS_SECONDS = 30.0
# A backlog older than this is more than a burst.
_WAITING_SECONDS = 60.0
# Leases go by the database's clock, signatures and the ends of tasks by each machine's own.
_DRIFT_SECONDS = 5.0
_NTP = "Keep the time with NTP on its machine (timedatectl set-ntp true); nothing need be restarted."


def processes() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(_ALIVE, [_PROCESS_SECONDS])
        alive = dict(cursor.fetchall())
    for kind, cure in (("web", "make run"), ("worker", "make worker")):
        if count := alive.get(kind):
            yield well(kind, f"{count} {kind} {'process is' if count == 1 else 'processes are'} at work.")
        else:
            yield ill(kind, f"No {kind} process is at work.", f"Start one: {cure}")


def beat() -> Iterator[Finding]:
    """Beat asks for the sweeps; one that a worker finished lately proves them both."""
    overdue = []
    with connection.cursor() as cursor:
        cursor.execute(_SWEPT)
        ages = dict(cursor.fetchall())
    # Where others have been round, one that never was is not due for the first time yet.
    never = 0.0 if min(ages.values(), default=math.inf) <= _PROCESS_SECONDS else math.inf
    schedule: dict[str, dict[str, Any]] = settings.CELERY_BEAT_SCHEDULE
    for name, entry in schedule.items():
        seconds = float(entry["schedule"])
        if seconds <= _WAITING_SECONDS and ages.get(name, never) > max(_PROCESS_SECONDS, seconds * 5):
            overdue.append(name)
    if overdue:
        cure = (
            "Where Redis fails, this follows from it, and nothing need be started. Else start beat:"
            " make worker runs one; elsewhere exactly one celery -A gosend beat. See clocks too."
        )
        yield ill("beat", f"Not swept lately: {', '.join(sorted(overdue))}.", cure)
    else:
        yield well("beat", "Every sweep has been round lately.")


def rounds() -> Iterator[Finding]:
    """Where nobody sweeps, workers look for work by themselves (`lib/rounds.py`): slower, and a sign."""
    with connection.cursor() as cursor:
        cursor.execute(_ON_ROUNDS, [_PROCESS_SECONDS])
        names = [name.removeprefix("rounds@") for (name,) in cursor.fetchall()]
    if names:
        says = f"No sweep of beat's is made, so {', '.join(names)} look for work by themselves."
        yield warned("rounds", says, "See Redis and beat; where both are well, start more workers.")
    else:
        yield well("rounds", "No worker has to look for work by itself.")


def clocks() -> Iterator[Finding]:
    """What beat sends carries an end by beat's clock: a worker whose own is past it drops it unread.

    `machine.clock` compares only this machine's with the database's; the processes may run on others.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CLOCKS, [_PROCESS_SECONDS])
        found = cursor.fetchall()
    beats = [ahead for _, kind, ahead in found if kind == "beat"]
    expires = settings.SWEEP_SECONDS * settings.SWEEP_EXPIRES_IN
    is_well = True
    for name, kind, ahead in found:
        late = ahead - min(beats) if beats and kind == "worker" else 0.0
        if late > expires:
            says = (
                f"{name} is {late:.1f} s ahead of beat: it drops every sweep as expired (after {expires} s)"
            )
            yield ill("clocks", f"{says}, and finds nothing that a lost doorbell left behind.", _NTP)
        elif abs(ahead) > _DRIFT_SECONDS:
            yield ill("clocks", f"{name} is {ahead:+.1f} s off PostgreSQL's clock.", _NTP)
        else:
            continue
        is_well = False
    if is_well:
        yield well("clocks", "Web, workers and beat agree on the time.")


def piles() -> Iterator[Finding]:
    messages = sum(queue.depth for queue in backlog.queues())
    callbacks, deliveries = backlog.callbacks(), webhooks.deliveries()
    for about, count, age, cure in (
        (
            "messages waiting",
            messages,
            backlog.oldest_due_seconds(),
            "See whether their numbers are paused or throttled; start more workers.",
        ),
        (
            "callbacks waiting",
            callbacks.depth,
            callbacks.oldest_seconds,
            "Look at the failed raw events in the console; start more workers.",
        ),
        (
            "webhooks waiting",
            deliveries.due,
            deliveries.oldest_seconds,
            "Look for a slow endpoint in the console; start more workers.",
        ),
    ):
        if age > _WAITING_SECONDS:
            yield warned(about, f"{count}, the oldest for {age:.0f} s.", cure)
        else:
            yield well(about, f"{count}, none for long.")
    if given_up := backlog.callbacks_given_up():
        cure = "In the console, under Meta events, choose Given up: each says why, and may be handled again."
        yield warned("callbacks given up", f"{given_up} failed until their last try.", cure)
    in_doubt = backlog.states()["unknown"]
    if in_doubt:
        cure = "They settle by Meta's reports; what stays is listed in the console under unconfirmed."
        yield warned("unknown outcomes", f"{in_doubt} sends wait for Meta's word.", cure)
    failing = webhooks.endpoints()
    if failing.failing or failing.disabled:
        words = f"{failing.failing} fail now, {failing.disabled} are disabled, of {failing.total}."
        yield warned("endpoints", words, "Open them in the console; each attempt shows what was answered.")


_ALIVE = """
SELECT kind, count(*) FROM gosend_heartbeat
 WHERE kind <> 'sweep' AND at > clock_timestamp() - make_interval(secs => %s) GROUP BY kind
"""
_CLOCKS = """
SELECT name, kind, clock_ahead FROM gosend_heartbeat
 WHERE kind NOT IN ('sweep', 'turn', 'rounds') AND clock_ahead IS NOT NULL
   AND at > clock_timestamp() - make_interval(secs => %s)
 ORDER BY name LIMIT 1000
"""
_ON_ROUNDS = """
SELECT name FROM gosend_heartbeat
 WHERE kind = 'rounds' AND at > clock_timestamp() - make_interval(secs => %s) ORDER BY name LIMIT 20
"""
_SWEPT = """
SELECT name, extract(epoch FROM clock_timestamp() - at)::float8 FROM gosend_heartbeat
 WHERE kind = 'sweep' LIMIT 1000
"""
