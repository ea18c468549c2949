"""Ten minutes of steady work: does the memory of web and worker stay flat?"""

import time
from statistics import median

import psutil  # type: ignore[import-untyped]

from messaging.models import Message
from tests.benchmarks import doors, life
from tests.benchmarks.measure import Result

# Messages a second, and seconds between two looks at the memory.
_RATE = 20
_STEP_SECONDS = 5
# Caches fill and pools open in this first part; what grows after it would grow for ever.
_WARM_UP = 0.25
# Memory may grow by so much between the first and the last quarter of what is left.
_BAR = 1.05
_MIB = 2**20


def flat(*, graph_port: int, seconds: int) -> list[Result]:
    sizes: dict[str, list[float]] = {"web": [], "worker": []}
    threads: dict[str, list[int]] = {"web": [], "worker": []}
    sent = 0
    with life.staged(graph_port=graph_port, latency_ms=50) as stage:
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            shots = doors.sends(stage.stand, 10_000 + sent)[: _RATE * _STEP_SECONDS]
            doors.fire(stage.port, shots, seconds=60, connections=4)
            sent += len(shots)
            if passed > _WARM_UP * seconds:
                for name, found in sizes.items():
                    found.append(_resident(stage.parts[name]))
                    threads[name].append(_threads(stage.parts[name]))
            time.sleep(max(0.0, _STEP_SECONDS - (time.monotonic() - began - passed)))
        time.sleep(_STEP_SECONDS * 2)
        read = Message.objects.filter(tenant=stage.stand.tenant, status=Message.Status.READ).count()
    return [_result(name, found, threads[name], sent=sent, read=read) for name, found in sizes.items()]


def _result(name: str, found: list[float], threads: list[int], *, sent: int, read: int) -> Result:
    quarter = max(1, len(found) // 4)
    first, last = median(found[:quarter]), median(found[-quarter:])
    notes = [
        f"{sent:,} messages at {_RATE} a second, {read:,} of them read by the end;"
        f" resident memory of all {name} processes: {first / _MIB:.1f} MiB in the first quarter after the"
        f" warm-up, {last / _MIB:.1f} MiB in the last, at most {max(found) / _MIB:.1f};"
        # A thread more for calls side by side is 0.3 MiB that stays; their number has an end.
        f" threads: {threads[0]} at first, {threads[-1]} at last"
    ]
    of = "memory at last, by that at first"
    return Result(f"soak-memory-{name}", of, last / first, bar=_BAR, is_most=True, notes=notes)


def _resident(process: psutil.Process) -> float:
    return float(sum(one.memory_info().rss for one in _family(process)))


def _threads(process: psutil.Process) -> int:
    return sum(one.num_threads() for one in _family(process))


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]
