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


@pytest.mark.parametrize(("seconds", "seen"), [(90.0, "old"), (150.0, "newer")])
def test_others_go_on_with_what_is_held_while_one_looks_but_not_for_long(
    settings: Settings, seconds: float, seen: str
) -> None:
    """A key that was revoked an hour ago opens nothing, however many try at once."""
    settings.LOOKUPS_LIVE_SECONDS = 60
    known: held.Held[str, str] = held.Held()
    known.get("key", lambda: "old")
    known._found["key"].looked_at -= seconds
    found: list[str] = []

    def look_up() -> str:
        found.append(known.get("key", lambda: "newer"))
        return "new"

    assert known.get("key", look_up) == "new"
    assert found == [seen]


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
