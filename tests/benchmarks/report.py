"""Say what was measured: on the screen, and as a page."""

import platform
from datetime import UTC, datetime
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from django.db import connection

from tests.benchmarks.measure import Result

_SOAK = """# Soak

Steady work for a while: what grows after the first quarter would grow for ever. The ratio is the memory that
all processes of a kind hold at the end, by what they held at first. How it is done stands in
`tests/benchmarks/soak.py`.

"""
_HEAD = """# Benchmarks

A figure by its yardstick, measured in the same run and in turn with it; the median of the rounds.
The machine's own speed cancels out, its noise does not: read figures as ±15 %. Web server, database, load
generator and the pretend Meta share the machine. How each path is measured stands in `tests/benchmarks/`.

- *The bare insert view* is a Django view on the same server and with the same settings that inserts one row,
  durably, and does nothing else.
- *The bare client loop* is our HTTP client making the same calls, as many at once, without a database.
- *A COPY* writes the rows of a thousand accepted messages in one transaction.

The lists come first: they fill the tables with five million messages, among which all the rest is measured.

"""


def show(result: Result) -> None:
    for note in result.notes:
        print(f"    {note}")  # noqa: T201
    print(f"{result.line()}{'' if result.holds else '  MISSED'}", flush=True)  # noqa: T201


def close(results: list[Result], *, only: str, seconds: float, path: Path | None) -> None:
    """Every path's line once more, and the page if one is wanted; `only` names the paths if not all ran."""
    print()  # noqa: T201
    for result in results:
        print(result.line())  # noqa: T201
    missed = sum(not result.holds for result in results)
    print(f"bench: {len(results)} paths, {missed} missed, {seconds:.0f} s")  # noqa: T201
    if path is not None:
        path.write_text(_page(results, only=only, seconds=seconds, path=path))


def _page(results: list[Result], *, only: str, seconds: float, path: Path) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (server,) = cursor.fetchone()
    is_soak = only == "soak"
    command = "make soak" if is_soak else f"make bench{only and f' ONLY={only}'}"
    memory = psutil.virtual_memory().total / 2**30
    lines = [
        f"`{command} WRITE={path}`"
        f" on {datetime.now(UTC):%Y-%m-%d}, {seconds:.0f} s;"
        f" {psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()},"
        f" Python {platform.python_version()}, PostgreSQL {server.split()[0]}, Redis.",
        "",
        "| path | what by what | ratio | bar | |",
        "|---|---|---|---|---|",
    ]
    for result in results:
        bar = "reported" if result.bar is None else f"{'≤' if result.is_most else '≥'} {result.bar:.2f}"
        verdict = "" if result.bar is None else "held" if result.holds else "**missed**"
        lines.append(f"| {result.path} | {result.of} | {result.ratio:.2f} | {bar} | {verdict} |")
    lines += ["", "## Behind the ratios", ""]
    for result in results:
        lines += [f"- **{result.path}**: {note}" for note in result.notes]
    lines.append("")
    return (_SOAK if is_soak else _HEAD) + "\n".join(lines)
