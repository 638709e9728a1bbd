import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.planning.completeness import all_complete_up_to, complete_up_to

NOW_MS = 1_700_000_000_000


@pytest.mark.parametrize("next_offset", [100, 0], ids=["read to its end", "never held a record"])
def test_a_partition_with_nothing_unread_is_complete_up_to_now(next_offset: int) -> None:
    assert complete_up_to(next_offset, next_offset, None, NOW_MS) == NOW_MS


def test_a_partition_is_complete_up_to_its_first_unread_record_and_not_beyond() -> None:
    assert complete_up_to(99, 100, NOW_MS - 5, NOW_MS) == NOW_MS - 5


def test_a_clock_that_is_ahead_completes_no_time_that_has_not_come() -> None:
    assert complete_up_to(99, 100, NOW_MS + 60_000, NOW_MS) == NOW_MS


def test_a_partition_whose_first_unread_record_has_no_known_time_completes_nothing() -> None:
    assert complete_up_to(99, 100, None, NOW_MS) is None


@given(
    st.lists(st.lists(st.integers(0, 50), max_size=8), min_size=1, max_size=4),
    st.lists(st.integers(0, 8), min_size=4, max_size=4),
)
def test_of_rising_timestamps_every_record_before_the_time_of_a_topic_is_loaded(
    logs: list[list[int]], positions: list[int]
) -> None:
    logs = [sorted(times) for times in logs]
    loaded = [min(position, len(log)) for log, position in zip(logs, positions, strict=False)]

    complete_ms = all_complete_up_to(
        complete_up_to(read, len(log), log[read] if read < len(log) else None, 60)
        for log, read in zip(logs, loaded, strict=True)
    )

    unread = [time for log, read in zip(logs, loaded, strict=True) for time in log[read:]]
    assert complete_ms == min(unread, default=60)


@pytest.mark.parametrize("partitions", [[], [5, None], [None]], ids=str)
def test_a_topic_of_which_a_partition_is_not_known_is_not_known(partitions: list[int | None]) -> None:
    assert all_complete_up_to(partitions) is None
