"""Say how it went: a line for each scenario, one table, one last line, and docs/faults.md."""

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.ledger import Counts
from tests.faults.scenario import Result

WORDS = ("accepted", "lost", "duplicated", "unexpected", "unknown", "recovered")


def line(result: Result) -> str:
    counts = " ".join(f"{word}={getattr(result.counts, word)}" for word in WORDS)
    verdict = "pass" if result.has_passed else "FAIL"
    return f"{result.id} {verdict} {counts} ({result.seconds:.0f} s) {result.title}"


def details(result: Result) -> list[str]:
    """Each check that was made; a failed one stands out."""
    made = [f"      {'ok  ' if holds else 'FAIL'} {words}" for holds, words in result.checks]
    return [*made, *(f"      note {words}" for words in result.notes)]


def table(results: Sequence[Result]) -> str:
    head = f"{'id':5}{'verdict':9}" + "".join(f"{word:>11}" for word in WORDS) + "  scenario"
    rows = [
        f"{one.id:5}{'pass' if one.has_passed else 'FAIL':9}"
        + "".join(f"{getattr(one.counts, word):>11}" for word in WORDS)
        + f"  {one.title}"
        for one in results
    ]
    return "\n".join([head, *rows])


def total(results: Sequence[Result]) -> Counts:
    counts = Counts()
    for one in results:
        counts.add(one.counts)
    return counts


def last_line(results: Sequence[Result]) -> str:
    counts = total(results)
    failed = sum(not one.has_passed for one in results)
    return (
        f"faults: scenarios={len(results)} failed={failed} accepted={counts.accepted} lost={counts.lost}"
        f" duplicated={counts.duplicated} unexpected={counts.unexpected} unknown={counts.unknown}"
    )


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GB, {platform.system()}, Python {platform.python_version()}"


def write(
    path: Path,
    results: Sequence[Result],
    *,
    command: str,
    not_run: Mapping[str, str],
    shortened: str,
    base: str,
) -> None:
    """Write the page; what is measured stands in it as it was measured."""
    day = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    rows = ["| " + " | ".join(("id", "scenario", *WORDS, "verdict")) + " |", "|---" * 9 + "|"]
    for one in results:
        cells = [one.id, one.title, *(f"{getattr(one.counts, word):,}" for word in WORDS)]
        rows.append("| " + " | ".join([*cells, "pass" if one.has_passed else "**FAIL**"]) + " |")
    checked = []
    for one in results:
        checked.append(f"**{one.id}** {one.title} ({one.seconds:.0f} s)\n")
        checked += [f"- {'' if holds else '**failed:** '}{words}" for holds, words in one.checks]
        checked += [f"- note: {words}" for words in one.notes]
        checked.append("")
    missing = [f"- {id}: {reason}" for id, reason in sorted(not_run.items())]
    text = base.format(
        day=day, command=command, machine=machine(), minutes=sum(one.seconds for one in results) / 60,
        shortened=shortened, rows="\n".join(rows),
        last=last_line(results), checked="\n".join(checked).rstrip(), missing="\n".join(missing) or "- none",
    )  # fmt: skip
    path.write_text(text.rstrip() + "\n")
