"""F29: the number's budget, drawn upon by many processes at once."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.faults.api import Api, text_body
from tests.faults.kills import overshoot
from tests.faults.scenario import Run, scenario

_RATE = 80


@scenario("F29", "eight processes on one number's budget, in bursts")
def eight_processes(run: Run) -> None:
    seconds = run.pick(quick=8, full=40)
    with run.world(workers=6, webs=2) as world, ThreadPoolExecutor(8) as pool:
        number = world.acme.numbers[0]
        total = _RATE * (seconds + 1)
        for start in range(0, total, 500):
            world.api.batch([text_body(number, run.person()) for _ in range(min(500, total - start))])
        until = time.monotonic() + seconds * 0.8
        while time.monotonic() < until:  # requests that will not wait, and are told 429
            for _ in range(run.random.randrange(1, 6)):
                body = text_body(number, run.person())
                pool.submit(_once, world.api, body)
            time.sleep(run.random.uniform(0.05, 0.6))
        world.drain(seconds=(seconds * 3 + 60) * run.slack)
        times = sorted(message["at"] for message in world.meta_received())
        over = overshoot(times, rate=_RATE, burst=_RATE)
        # Meta's clock reads the arrival: what left in time may arrive together with what left later.
        margin = _RATE * 0.1 * run.slack
        run.check(
            over <= margin,
            f"no window of {len(times)} sends holds more than burst + {_RATE}/s * window: {over} above"
            f" (at most {_RATE * 0.1:.0f}, a tenth of a second on the way)",
        )
        lasted = times[-1] - times[0]
        reached = (len(times) - _RATE) / lasted
        run.check(
            reached >= 0.95 * _RATE / run.slack,
            f"with a backlog {reached:.1f} a second beyond the burst"
            f" (at least {0.95 * _RATE / run.slack:.0f})",
        )
        world.hear_all(seconds=180 * run.slack)
        account = run.settle(world)
        run.check(account.counts.unknown == 0, f"unknown: {account.counts.unknown}")


def _once(api: Api, body: dict[str, Any]) -> None:
    told = api.call("POST", "/v1/messages", body=body, timeout=30)
    if told.status_code in (201, 202):
        api.keep([told.json()["id"]])
