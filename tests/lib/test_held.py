"""What a process believes for a moment."""

from collections.abc import Callable

import pytest
from pytest_django import Settings

from gosend.lib import held


@pytest.fixture(autouse=True)
def always_stale(settings: Settings) -> None:
    settings.LOOKUPS_LIVE_SECONDS = 0


def _counted(value: str) -> tuple[list[str], Callable[[], str]]:
    looked: list[str] = []

    def look_up() -> str:
        looked.append(value)
        return value

    return looked, look_up


def test_what_has_the_same_version_is_not_looked_up_again() -> None:
    known: held.Held[str, str] = held.Held()
    looked, look_up = _counted("Luna")

    versions = iter([1, 1, 2, 2])
    found = [known.get("key", look_up, version=lambda: next(versions)) for _ in range(4)]

    assert found == ["Luna"] * 4
    assert len(looked) == 2


def test_without_a_version_it_is_looked_up_each_time_that_it_is_old() -> None:
    known: held.Held[str, str] = held.Held()
    looked, look_up = _counted("Luna")

    assert [known.get("key", look_up, version=lambda: None) for _ in range(2)] == ["Luna"] * 2
    assert [known.get("key", look_up) for _ in range(2)] == ["Luna"] * 2
    assert len(looked) == 4


def test_others_go_on_with_what_is_held_while_one_looks(settings: Settings) -> None:
    known: held.Held[str, str] = held.Held()
    known.get("key", lambda: "old")
    settings.LOOKUPS_LIVE_SECONDS = 60
    known._found["key"] = held._Entry(-1e9, "old", None)
    seen: list[str] = []

    def look_up() -> str:
        seen.append(known.get("key", lambda: "never"))
        return "new"

    assert known.get("key", look_up) == "new"
    assert seen == ["old"]


def test_what_cannot_be_looked_up_is_not_believed_any_longer(settings: Settings) -> None:
    known: held.Held[str, str] = held.Held()
    known.get("key", lambda: "old")

    def gone() -> str:
        raise LookupError

    with pytest.raises(LookupError):
        known.get("key", gone)
    settings.LOOKUPS_LIVE_SECONDS = 60
    with pytest.raises(LookupError):
        known.get("key", gone)
