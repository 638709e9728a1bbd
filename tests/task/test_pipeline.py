"""One item ahead: in order, with its errors, and without a thread left behind."""

import threading
from collections.abc import Iterator

import pytest

from loader import pipeline
from tests.end_to_end.producing import wait_until


def step_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "test"]


def test_items_come_in_order_and_are_all() -> None:
    with pipeline.step("test", range(100)) as items:
        assert list(items) == list(range(100))

    assert not step_threads()


def test_an_error_comes_in_the_place_of_its_item() -> None:
    def two_then_failure() -> Iterator[int]:
        yield 1
        yield 2
        raise LookupError("the third")

    with pipeline.step("test", two_then_failure()) as items:
        assert [next(items), next(items)] == [1, 2]
        with pytest.raises(LookupError, match="the third"):
            next(items)

    assert not step_threads()


@pytest.mark.parametrize("items_taken", [0, 1, 5])
def test_leaving_early_ends_the_thread(items_taken: int) -> None:
    def leave() -> None:
        with pipeline.step("test", range(10**9)) as items:
            for _ in range(items_taken):
                next(items)
            raise KeyError

    with pytest.raises(KeyError):
        leave()

    assert not step_threads()


def test_at_most_two_items_are_held_besides_the_one_in_use() -> None:
    made: list[int] = []
    blocked = threading.Event()

    def count() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            if number == 3:
                blocked.set()
            yield number

    with pipeline.step("test", count()) as items:
        next(items)
        # 0 is in use, 1 waits, 2 is in the making: 3 is begun only when 1 is taken.
        wait_until(lambda: made == [0, 1, 2], "the thread to be two items ahead")
        assert not blocked.wait(0.3)
        next(items)
        assert blocked.wait(30)
