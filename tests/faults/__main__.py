"""Play the fault catalogue: `python -m tests.faults [--quick] [--only F01,F05] [--seed N] [--write FILE]`."""

# ruff: noqa: T201 -- it talks to a terminal
import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from tests.faults import catalogue, report
from tests.faults.ground import ground
from tests.faults.page import PAGE
from tests.faults.scenario import CATALOGUE, NOT_RUN, Result, Scenario, play
from tests.faults.servers import CannotRun
from tests.faults.world import SHORT

_MINUTES = 10.0


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    catalogue.load()
    wanted = _wanted(options.only, is_quick=options.quick)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    seed = options.seed if options.seed is not None else int(time.time()) % 100_000
    print(f"faults: {len(wanted)} scenarios, SEED={seed}, settings: {_shortened()}", flush=True)
    results: list[Result] = []
    try:
        with ground(logs=options.logs) as made:
            for one in wanted:
                result = play(
                    one, ground=made, seed=seed, is_quick=options.quick, slack=options.slack,
                    minutes=options.minutes,
                )  # fmt: skip
                results.append(result)
                print(report.line(result), *report.details(result), sep="\n", flush=True)
    except CannotRun as error:
        print(f"The fault suite cannot run here: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped; every process that was started is gone.", file=sys.stderr)
        return 130
    return _close(results, options=options, seed=seed)


def _close(results: list[Result], *, options: argparse.Namespace, seed: int) -> int:
    if not (options.quick or options.only):
        for id, reason in sorted(NOT_RUN.items()):
            print(f"{id} not run: {reason}")
    print("", report.table(results), sep="\n")
    if options.write:
        report.write(
            options.write,
            results,
            command=_command(options, seed),
            not_run=NOT_RUN,
            shortened=_shortened(),
            base=PAGE,
        )
    print(report.last_line(results), flush=True)
    return 0 if results and all(one.has_passed for one in results) else 1


def _command(options: argparse.Namespace, seed: int) -> str:
    """What to type to have the same again."""
    parts = ["make faults", f"SEED={seed}"]
    parts += ["QUICK=1"] if options.quick else []
    parts += [f"ONLY={options.only}"] if options.only else []
    parts += [f"SLACK={options.slack:g}"] if options.slack != 1 else []
    parts += [f"MINUTES={options.minutes:g}"] if options.minutes != _MINUTES else []
    return " ".join(parts)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a subset of a few minutes, in smaller numbers")
    parser.add_argument("--only", default="", help="ids separated by commas")
    parser.add_argument("--seed", type=int, help="repeat a run's random choices")
    parser.add_argument("--logs", type=Path, help="leave the logs of every process there")
    parser.add_argument("--write", type=Path, help="write the page there")
    parser.add_argument(
        "--slack", type=float, default=1.0, help="multiply limits of time by this (busy machine)"
    )
    parser.add_argument("--minutes", type=float, default=_MINUTES, help="how long F32 goes on")
    return parser.parse_args(arguments)


def _wanted(only: str, *, is_quick: bool) -> list[Scenario]:
    ids = [part.strip().upper() for part in only.split(",") if part.strip()]
    if unknown := [id for id in ids if id not in CATALOGUE]:
        reasons = "; ".join(f"{id}: {NOT_RUN.get(id, 'no such scenario')}" for id in unknown)
        raise SystemExit(f"Cannot play {reasons}. There are: {', '.join(sorted(CATALOGUE))}")
    found = [CATALOGUE[id] for id in (ids or sorted(CATALOGUE))]
    return [one for one in found if ids or not is_quick or one.is_quick]


def _shortened() -> str:
    return " ".join(f"{name}={value}" for name, value in SHORT.items())


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
