"""What a scenario is: a fault of the catalogue, an invariant, and a verdict with its counts."""

import random
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from tests.faults.ground import Ground
from tests.faults.ledger import Account, Counts, settle
from tests.faults.world import World


@dataclass
class Result:
    """The counts of one scenario, what was checked, and what the reader should know."""

    id: str
    title: str
    counts: Counts = field(default_factory=Counts)
    checks: list[tuple[bool, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def has_passed(self) -> bool:
        clean = not (self.counts.lost or self.counts.duplicated or self.counts.unexpected)
        return clean and bool(self.checks) and all(holds for holds, _ in self.checks)

    def check(self, holds: bool, words: str) -> None:
        self.checks.append((holds, words))

    def note(self, words: str) -> None:
        self.notes.append(words)


@dataclass
class Run:
    """One run of one scenario: its randomness, how much of it is wanted, and where to build its world."""

    ground: Ground
    result: Result
    seed: int
    is_quick: bool
    slack: float = 1.0
    # How long the one that has no end of its own goes on.
    minutes: float = 10.0

    def __post_init__(self) -> None:
        self.random = random.Random(f"{self.seed}:{self.result.id}")
        self._people = 0

    def world(
        self, *, settings: Mapping[str, str] | None = None, ground: Ground | None = None, **options: Any
    ) -> AbstractContextManager[World]:
        own = " ".join(f"{name}={value}" for name, value in (settings or {}).items())
        if own and f"settings: {own}" not in self.result.notes:
            self.note(f"settings: {own}")
        return World(ground or self.ground, settings=settings, **options)

    def pick(self, *, quick: int, full: int) -> int:
        return quick if self.is_quick else full

    def person(self) -> str:
        """A recipient nobody else has, whose last digits mean nothing to the sandbox."""
        self._people += 1
        return f"549114{self._people:05d}77"

    def check(self, holds: bool, words: str) -> None:
        self.result.check(holds, words)

    def note(self, words: str) -> None:
        self.result.note(words)

    def settle(
        self, world: World, *, ever_unknown: Collection[str] = (), allowed_twice: Collection[str] = ()
    ) -> Account:
        """Close the account of a world: what its API says against what Meta has."""
        account = settle(
            accepted=world.api.accepted,
            seen=world.api.listed(),
            at_meta=world.at_meta(),
            ever_unknown=ever_unknown,
            allowed_twice=allowed_twice,
        )
        self.result.counts.add(account.counts)
        for word in ("lost", "duplicated", "unexpected"):
            if ids := getattr(account, word):
                self.result.note(f"{word}: {', '.join(ids[:5])}")
        return account


@dataclass(frozen=True)
class Scenario:
    """One entry of the catalogue."""

    id: str
    title: str
    play: Callable[[Run], None]
    is_quick: bool = False


CATALOGUE: dict[str, Scenario] = {}
# What cannot run here, and why.
NOT_RUN: dict[str, str] = {}


def scenario(
    id: str, title: str, *, quick: bool = False
) -> Callable[[Callable[[Run], None]], Callable[[Run], None]]:
    def register(play: Callable[[Run], None]) -> Callable[[Run], None]:
        CATALOGUE[id] = Scenario(id, title, play, quick)
        return play

    return register


def play(
    found: Scenario, *, ground: Ground, seed: int, is_quick: bool, slack: float, minutes: float
) -> Result:
    """Play one scenario; a fault of its own counts as a failure, with its reason."""
    result = Result(found.id, found.title)
    started = time.monotonic()
    try:
        found.play(Run(ground, result, seed, is_quick, slack, minutes))
    except Exception as error:
        words = f"{type(error).__name__}: {error}".strip().splitlines()[0][:600]
        result.check(False, f"the scenario itself ended: {words}")
    result.seconds = time.monotonic() - started
    return result
