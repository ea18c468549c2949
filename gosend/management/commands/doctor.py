"""What is wrong with this installation, and the cure."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from gosend.demo import running
from gosend.doctor import machine, meta, work
from gosend.doctor.findings import Finding, State, ill

_SIGNS = {State.OK: "ok", State.WARNING: "WARN", State.FAILED: "FAIL", State.SKIPPED: "--"}


class Command(BaseCommand):
    help = "Look at database, Redis, processes, clock, public address, Meta's apps, tokens and backlogs."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--offline", action="store_true", help="ask nothing of Meta")
        parser.add_argument(
            "--url", default="", help="the web server's address; by default the running demo's, or PUBLIC_URL"
        )

    def handle(self, *, offline: bool, url: str = "", **_: Any) -> None:
        found = list(_all(at=running.find(url), asks_meta=not offline))
        width = max(len(finding.about) for finding in found)
        for finding in found:
            self.stdout.write(f"{_SIGNS[finding.state]:<5}{finding.about:<{width}}  {finding.says}")
            if finding.cure:
                self.stdout.write(f"{'':<5}{'':<{width}}  -> {finding.cure}")
        failed = sum(finding.state == State.FAILED for finding in found)
        warned = sum(finding.state == State.WARNING for finding in found)
        self.stdout.write(f"doctor: looked={len(found)} failed={failed} warned={warned}")
        if failed:
            what = "thing is" if failed == 1 else "things are"
            raise CommandError(f"{failed} {what} wrong; each has its cure above.")


def _all(*, at: running.Address, asks_meta: bool) -> Iterator[Finding]:
    yield from machine.settings_checks()
    base = list(machine.database())
    yield from base
    if any(finding.state is State.FAILED for finding in base):
        return  # without its tables nothing else can be told
    looked: list[Callable[[], Iterator[Finding]]] = [
        machine.broker,
        machine.clock,
        machine.storage,
        partial(machine.public_address, at),
        work.processes,
        work.beat,
        work.rounds,
        work.clocks,
        work.piles,
        meta.apps,
        partial(meta.accounts, asks_meta=asks_meta),
    ]
    for look in looked:
        try:
            yield from look()
        except DatabaseError as error:
            name = (look.func if isinstance(look, partial) else look).__name__
            yield ill(name, f"The database did not answer: {type(error).__name__}.", "See database, above.")
