"""The bits say what a plain set of offsets would."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.tables import seen_offsets
from loader.tables.seen_offsets import SeenOffsets


class PlainOffsets:
    """As slow and as simple as can be."""

    def __init__(self, start_offset: int, end_offset: int) -> None:
        self.range = range(start_offset, end_offset)
        self.seen: set[int] = set()

    def mark(self, offsets: list[int]) -> list[int]:
        again = []
        for offset in offsets:
            if offset in self.seen:
                again.append(offset)
            self.seen.add(offset)
        return again

    def unseen(self, most: int) -> list[tuple[int, int]]:
        stretches: list[tuple[int, int]] = []
        for offset in self.range:
            if offset in self.seen:
                continue
            if stretches and stretches[-1][1] == offset:
                stretches[-1] = (stretches[-1][0], offset + 1)
            else:
                stretches.append((offset, offset + 1))
        return stretches[:most]


@st.composite
def marks(draw: st.DrawFn) -> tuple[int, int, list[list[int]]]:
    """A range, and what is marked of it call by call."""
    start = draw(st.integers(0, 2**62))
    end = start + draw(st.integers(1, 60))
    calls = st.lists(st.lists(st.integers(start, end - 1), max_size=40), max_size=6)
    return start, end, draw(calls)


@pytest.mark.parametrize("window", [8, 16, 1 << 20])
@given(case=marks(), most=st.integers(1, 70))
@settings(max_examples=100, deadline=None)
def test_marked_doubled_and_unseen_offsets_are_those_of_a_plain_set(
    window: int, case: tuple[int, int, list[list[int]]], most: int
) -> None:
    start, end, calls = case
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(seen_offsets, "WINDOW", window)
        seen, plain = SeenOffsets(start, end), PlainOffsets(start, end)

        for offsets in calls:
            again = seen.mark(np.array(offsets, np.int64))
            assert sorted(again.tolist()) == sorted(plain.mark(offsets))
            assert seen.distinct_count == len(plain.seen)
        assert seen.unseen(most) == plain.unseen(most)


@pytest.mark.parametrize("offset", [9, 20, -1])
def test_an_offset_outside_of_the_range_is_refused(offset: int) -> None:
    with pytest.raises(ValueError, match="not all of the range"):
        SeenOffsets(10, 20).mark(np.array([12, offset], np.int64))


def test_a_large_range_costs_one_bit_for_each_offset() -> None:
    seen = SeenOffsets(0, 8_000_000)

    seen.mark(np.arange(0, 8_000_000, 2))

    assert seen._bits.nbytes == 1_000_000
    assert seen.distinct_count == 4_000_000
    assert seen.unseen(2) == [(1, 2), (3, 4)]


def test_an_empty_range_has_no_offset_unseen() -> None:
    seen = SeenOffsets(5, 5)

    assert seen.mark(np.empty(0, np.int64)).tolist() == []
    assert (seen.distinct_count, seen.unseen(1)) == (0, [])
