"""A process whose clock is wrong: moved from within, as the machine's own clock cannot be.

FAULTS_CLOCK is how many seconds this process is ahead (or, negative, behind); FAULTS_CLOCK_STEP is
"after:by": the clock jumps by so many seconds once the process has run for a while, as NTP may have it.
"""

import os
import threading
import time


def shift_from_environment() -> None:
    """Move the clock of this process as the environment says; not at all when it says nothing."""
    if ahead := os.environ.get("FAULTS_CLOCK"):
        _move(float(ahead))
    if step := os.environ.get("FAULTS_CLOCK_STEP"):
        after, by = step.split(":")
        timer = threading.Timer(float(after), _move, [float(by)])
        timer.daemon = True
        timer.start()


def _move(seconds: float) -> None:
    import time_machine  # noqa: PLC0415 -- only where a clock is wrong: it patches the interpreter

    time_machine.travel(time.time() + seconds, tick=True).start()
