"""What a common statement takes: no more than it may carry."""

import threading
from collections.abc import Sequence

import pytest

from gosend.lib import gather

_SECONDS = 10.0


def test_a_common_statement_carries_so_much_and_the_rest_waits_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gather, "_PATIENCE_SECONDS", _SECONDS)
    entered, go_on = threading.Event(), threading.Event()
    stored: list[list[int]] = []

    def store(items: Sequence[int]) -> list[bool]:
        stored.append(sorted(items))
        if len(stored) == 1:
            entered.set()
            assert go_on.wait(_SECONDS)
        return [True] * len(items)

    heavy = gather._MOST_WEIGHT // 2 - 1
    line: gather.Line[int, bool] = gather.Line(
        store, key=lambda one: (one,), is_repeatable=lambda _one: True, weight=lambda one: one
    )
    threads = [threading.Thread(target=line.store, args=(item,)) for item in (1, heavy, heavy + 1, heavy - 1)]
    threads[0].start()
    assert entered.wait(_SECONDS)
    for waiting, thread in enumerate(threads[1:], start=1):
        thread.start()
        while line.length < waiting:
            pass
    go_on.set()
    for thread in threads:
        thread.join(_SECONDS)

    assert stored == [[1], [heavy, heavy + 1], [heavy - 1]]
