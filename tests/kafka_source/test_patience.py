"""How long a reader goes on trying: the stall timeout, from the last progress on, once for all ranges."""

import pytest

from loader.errors import FetchStalled
from loader.kafka_source import patience as patience_module
from loader.kafka_source.patience import LONGEST_PAUSE_S, Patience
from loader.values import OffsetRange

FIRST, SECOND = OffsetRange("orders", 0, 0, 10), OffsetRange("orders", 1, 0, 10)
TIMEOUT_S = 120.0


class Clock:
    """Time that passes only where somebody sleeps, or works."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(patience_module, "time", clock)
    return clock


def wait_out(patience: Patience, wanted: OffsetRange, clock: Clock) -> float:
    """Wait until it gives up; the seconds that took."""
    began_s = clock.now_s

    def wait_for_ever() -> None:
        while True:
            patience.wait(wanted, "nobody answers")

    with pytest.raises(FetchStalled, match="no progress for 120 s, waiting because nobody answers"):
        wait_for_ever()
    return clock.now_s - began_s


def test_a_range_is_given_up_after_the_timeout_and_not_much_later(clock: Clock) -> None:
    waited_s = wait_out(Patience(TIMEOUT_S), FIRST, clock)

    assert TIMEOUT_S <= waited_s <= TIMEOUT_S + LONGEST_PAUSE_S


def test_the_timeout_counts_from_the_last_progress(clock: Clock) -> None:
    patience = Patience(TIMEOUT_S)
    began_s = clock.now_s
    while clock.now_s < began_s + 10 * TIMEOUT_S:
        while patience.waited_s < TIMEOUT_S - LONGEST_PAUSE_S:
            patience.wait(FIRST, "nobody answers")
        patience.progressed()

    assert TIMEOUT_S <= wait_out(patience, FIRST, clock) <= TIMEOUT_S + LONGEST_PAUSE_S


def test_time_in_which_nobody_waits_does_not_count(clock: Clock) -> None:
    patience = Patience(TIMEOUT_S)
    clock.now_s += 10 * TIMEOUT_S  # its caller writes files

    assert wait_out(patience, FIRST, clock) >= TIMEOUT_S


def test_the_next_range_does_not_wait_again(clock: Clock) -> None:
    patience = Patience(TIMEOUT_S)
    wait_out(patience, FIRST, clock)

    assert wait_out(patience, SECOND, clock) == 0
