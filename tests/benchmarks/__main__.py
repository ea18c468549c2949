"""Run the benchmarks and print one line for each path: `make bench` (ONLY=accept,send), or `make soak`."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import django

from gosend.lib import embedded_postgres, local_secrets
from tests.benchmarks import world

# First, for they fill the tables: what comes after them is measured among five million messages.
PAGES = ("lists", "console")
DOORS = ("accept", "batch-accept", "callbacks-in")
SENDING = ("send", "claim")
EVENTS = ("callbacks-processed", "webhooks-out")
LIFE = "life"
# Long, and not a matter of speed: only when it is asked for.
SOAK = "soak"
ALL = (*PAGES, *DOORS, *SENDING, *EVENTS, LIFE)


def main() -> int:
    asked = _arguments()
    world.VAR_DIR.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gosend.settings")
    os.environ.update(VAR_DIR=str(world.VAR_DIR), TRUSTED_NETWORKS="127.0.0.0/8")
    # Where DATABASE_URL names a server, the product would ask for these.
    for name, secret in local_secrets.load_or_create(world.VAR_DIR).items():
        os.environ.setdefault(name.upper(), secret)
    graph_port = world.free_port()
    os.environ["META_GRAPH_URL"] = f"http://127.0.0.1:{graph_port}"
    began = time.monotonic()
    with ExitStack() as stack:
        try:
            if not os.environ.get("DATABASE_URL"):
                stack.enter_context(embedded_postgres.holding(world.VAR_DIR))
            os.environ["REDIS_URL"] = stack.enter_context(world.redis())
            django.setup()
            return _run(asked, graph_port=graph_port, began=began)
        except (world.CannotBench, embedded_postgres.CannotServe) as problem:
            print(f"bench: {problem}", file=sys.stderr)  # noqa: T201
            return 2


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", default="", help=f"some of: {', '.join(ALL)}")
    parser.add_argument("--rows", type=int, default=5_000_000, help="messages behind the list pages")
    parser.add_argument(
        "--messages",
        type=int,
        default=20_000,
        help="messages that `send` drains, and deliveries of `webhooks-out`; `claim` drains two and a half"
        " times as many, `callbacks-processed` handles half as many",
    )
    parser.add_argument("--seconds", type=int, default=600, help="how long the soak lasts")
    parser.add_argument("--write", type=Path, help="also write the results to this file")
    asked = parser.parse_args()
    asked.only = [name for name in asked.only.split(",") if name] or list(ALL)
    if unknown := sorted(set(asked.only) - {*ALL, SOAK}):
        parser.error(f"unknown paths: {', '.join(unknown)}; there are: {', '.join(ALL)}")
    return asked


def _run(asked: argparse.Namespace, *, graph_port: int, began: float) -> int:
    from django.core.management import call_command  # noqa: PLC0415 -- after django.setup()

    from tests.benchmarks import (  # noqa: PLC0415
        console,
        doors,
        events,
        life,
        lists,
        measure,
        report,
        sending,
        soak,
    )

    call_command("migrate", verbosity=0)
    results: list[measure.Result] = []

    def take(name: str, act: Callable[[], list[measure.Result]]) -> None:
        if name in asked.only:
            print(f"… {name}", flush=True)  # noqa: T201
            measure.tidy()
            for result in act():
                report.show(result)
                results.append(result)

    take("lists", lambda: lists.pages(rows=asked.rows))
    take("console", lambda: console.pages(rows=asked.rows))
    if set(DOORS) & set(asked.only):
        with doors.opened() as both:
            take("accept", lambda: [doors.accept(both)])
            take("batch-accept", lambda: [doors.batch_accept(both)])
            take("callbacks-in", lambda: [doors.callbacks_in(both)])
    accepted = next((one.figure for one in results if one.path == "accept"), 0.0)
    take("send", lambda: sending.send(graph_port=graph_port, count=asked.messages))
    take("claim", lambda: sending.claim(graph_port=graph_port, count=asked.messages * 5 // 2))
    take(
        "callbacks-processed",
        lambda: events.processed(rows=asked.rows, statuses=asked.messages // 2, accepted=accepted),
    )
    take("webhooks-out", lambda: events.delivered(count=asked.messages))
    take(LIFE, lambda: life.whole(graph_port=graph_port))
    take(SOAK, lambda: soak.flat(graph_port=graph_port, seconds=asked.seconds))
    only = "" if asked.only == list(ALL) else ",".join(asked.only)
    report.close(results, only=only, seconds=time.monotonic() - began, path=asked.write)
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
