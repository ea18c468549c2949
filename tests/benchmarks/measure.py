"""What a path cost and how that compares: ratios, medians, and the line that says so."""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import psutil  # type: ignore[import-untyped]
from django.db import connection

# What sending and webhooks are both held against.
CPU_BY_BARE = "CPU of each, by the bare client loop's"


@dataclass(frozen=True, slots=True)
class Result:
    """One path's ratio, `of` what by what, against its bar; `bar` None is a figure without one.

    `figure` is what other paths are compared with, such as messages accepted per second.
    """

    path: str
    of: str
    ratio: float
    bar: float | None = None
    is_most: bool = False
    notes: list[str] = field(default_factory=list)
    figure: float = 0.0

    @property
    def holds(self) -> bool:
        if self.bar is None:
            return True
        return self.ratio <= self.bar if self.is_most else self.ratio >= self.bar

    def line(self) -> str:
        words = f"bench: {self.path} {self.ratio:.2f}"
        if self.bar is None:
            return f"{words} (reported)"
        return f"{words} ({'at most' if self.is_most else 'at least'} {self.bar:.2f})"


def tidy() -> None:
    """Do what autovacuum would have done by now, where it is on.

    Like it, leave alone what never held a row: a table that was vacuumed while it was empty is planned as if
    it stayed so, and read through row by row while it fills.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(relid::regclass::text, ', ') FROM pg_stat_user_tables"
            " WHERE n_tup_ins > 0 OR n_live_tup > 0"
        )
        (tables,) = cursor.fetchone()
        if tables:
            cursor.execute(f"VACUUM ANALYZE {tables}")


def alternate(
    first: Callable[[int], float], second: Callable[[int], float], *, rounds: int
) -> tuple[float, list[tuple[float, float]]]:
    """Measure the two in turn; the median of the rounds' ratios first / second, and all figures."""
    pairs = [(first(number), second(number)) for number in range(rounds)]
    return median(a / b for a, b in pairs), pairs


def told(pairs: list[tuple[float, float]], *, unit: str, names: tuple[str, str]) -> str:
    """The rounds in words, numerators and denominators both."""
    sides = zip(*pairs, strict=True)
    return "; ".join(
        f"{name}: {', '.join(f'{value:,.0f}' for value in side)} {unit}"
        for name, side in zip(names, sides, strict=True)
    )


def cpu_of(process: psutil.Process) -> float:
    """CPU seconds of a process, its living children and those it has reaped."""
    total = sum(process.cpu_times()[:4])
    for one in process.children(recursive=True):
        try:
            total += sum(one.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return float(total)


def postgres() -> psutil.Process:
    """The postmaster of the server that we are connected to, which must run on this machine."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    parent = psutil.Process(pid).parent()
    assert parent is not None
    return parent
