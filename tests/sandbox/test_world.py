"""What the pretend Meta knows and remembers."""

import threading
from collections import Counter

import pytest
from django.db import connection

from gosend.sandbox.world import Line, MemoryWorld, RowWorld, World

LINE = Line("200000000000001", "106540352242922", "15550783881")


def first_times(world: World, *, askers: int) -> Counter[bool]:
    """Ask about one key from many threads at once."""
    start = threading.Barrier(askers)
    answers: Counter[bool] = Counter()
    lock = threading.Lock()

    def ask() -> None:
        start.wait()
        try:
            answer = world.first_time("k")
        finally:
            connection.close()
        with lock:
            answers[answer] += 1

    threads = [threading.Thread(target=ask) for _ in range(askers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_memory_lets_one_of_many_be_the_first() -> None:
    assert first_times(MemoryWorld(), askers=8) == {True: 1, False: 7}


@pytest.mark.django_db(transaction=True)
def test_rows_let_one_of_many_be_the_first() -> None:
    assert first_times(RowWorld(LINE), askers=4) == {True: 1, False: 3}


def test_memory_forgets_when_told() -> None:
    world = MemoryWorld()
    world.first_time("k")

    world.forget()

    assert world.first_time("k") is True


def test_named_numbers_are_the_only_ones() -> None:
    world = MemoryWorld((LINE,))

    assert world.line("106540352242922") == LINE
    assert world.line("106540352242923") is None


@pytest.mark.parametrize(
    ("phone_number_id", "is_known"),
    [
        ("106540352242922", True),
        ("12345", True),
        ("1234", False),
        ("", False),
        ("abcdef", False),
        ("١٢٣٤٥", False),
    ],
)
def test_without_names_every_long_id_is_a_number(phone_number_id: str, is_known: bool) -> None:
    assert (MemoryWorld().line(phone_number_id) is not None) is is_known


def test_an_open_world_calls_named_numbers_by_their_names_and_knows_all_others() -> None:
    world = MemoryWorld((LINE,), is_open=True)
    other = world.line("99999")

    assert world.line(LINE.phone_number_id) == LINE
    assert other is not None
    assert other.display_phone_number != LINE.display_phone_number
    assert world.shelf("88888") is not None
    assert world.line("word") is None


def test_row_world_knows_its_own_number_only() -> None:
    world = RowWorld(LINE)

    assert world.line("106540352242922") == LINE
    assert world.line("12345") is None


def test_the_first_pin_of_a_number_is_asked_for_from_then_on() -> None:
    world = MemoryWorld((LINE,))

    pins = [world.register(LINE.phone_number_id, pin) for pin in ("123456", "654321", "123456")]

    assert (pins, world.is_registered(LINE.phone_number_id)) == ([True, False, True], True)
    world.forget()
    assert world.is_registered(LINE.phone_number_id) is False
