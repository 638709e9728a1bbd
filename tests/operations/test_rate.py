"""A rate spreads turns evenly, by a clock that is given to it."""

import pytest

from loader.operations.live.rate import Rate


class Clock:
    """Time passes only by sleeping, or by `now_s +=`."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds


def turns(rate: Rate, clock: Clock, count: int) -> list[float]:
    times = []
    for _ in range(count):
        rate.wait_turn()
        times.append(clock.now_s - 1000)
    return times


def test_turns_are_an_interval_apart_and_the_first_is_at_once() -> None:
    clock = Clock()

    assert turns(Rate(4, clock, clock.sleep), clock, 5) == [0, 0.25, 0.5, 0.75, 1]


def test_without_a_rate_nothing_waits() -> None:
    clock = Clock()

    assert turns(Rate(None, clock, clock.sleep), clock, 3) == [0, 0, 0]


def test_a_long_pause_of_the_input_is_not_made_up_for_by_a_burst() -> None:
    clock = Clock()
    rate = Rate(100, clock, clock.sleep)
    rate.wait_turn()

    clock.now_s += 60
    after = [round(each, 2) for each in turns(rate, clock, 30)]

    assert after[:11] == [60.0] * 11  # a tenth of a second's worth, and the one that is due
    assert after[11:] == [round(60 + number / 100, 2) for number in range(1, 20)]


@pytest.mark.parametrize("per_second", [0, -1])
def test_a_rate_that_is_none_is_refused(per_second: float) -> None:
    clock = Clock()

    with pytest.raises(ValueError, match="no rate"):
        Rate(per_second, clock, clock.sleep)
