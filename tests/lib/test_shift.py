"""Work that is rung for often and done by few."""

import contextlib
import threading

from gosend.lib.shift import Shift

_SECONDS = 10.0


def _in_thread(shift: Shift, act: "threading.Event", entered: "threading.Semaphore") -> threading.Thread:
    def work() -> None:
        entered.release()
        assert act.wait(_SECONDS)

    thread = threading.Thread(target=lambda: shift.work(work))
    thread.start()
    return thread


def test_a_ring_while_one_is_enough_is_seen_to_by_that_one() -> None:
    shift = Shift(3, suffices=lambda: True)
    go_on, entered = threading.Event(), threading.Semaphore(0)
    first = _in_thread(shift, go_on, entered)
    assert entered.acquire(timeout=_SECONDS)

    done: list[str] = []
    shift.work(lambda: done.append("second"))
    assert done == []  # it came back at once, with nothing done here

    go_on.set()
    first.join(_SECONDS)
    assert entered.acquire(blocking=False)  # the first looked again


def test_others_join_while_those_at_work_do_not_suffice_up_to_the_most() -> None:
    shift = Shift(2, suffices=lambda: False)
    go_on, entered = threading.Event(), threading.Semaphore(0)
    threads = [_in_thread(shift, go_on, entered) for _ in range(2)]
    for _ in threads:
        assert entered.acquire(timeout=_SECONDS)

    done: list[str] = []
    shift.work(lambda: done.append("third"))
    assert done == []

    go_on.set()
    for thread in threads:
        thread.join(_SECONDS)
    shift.work(lambda: done.append("later"))
    assert done == ["later"]


def test_what_breaks_leaves_its_place() -> None:
    shift = Shift(1, suffices=lambda: True)

    def broken() -> None:
        raise ZeroDivisionError

    with contextlib.suppress(ZeroDivisionError):
        shift.work(broken)
    done: list[str] = []
    shift.work(lambda: done.append("after"))
    assert done == ["after"]
