"""How long splits took: what a person looks at first when a run was slow."""

from dataclasses import dataclass

from loader.values.offsets import OffsetRange

MOST_SLOW_SPLITS = 5
"""Of one commit are kept, the slowest ones: a commit is read again and again."""

MOST_RANGES_NAMED = 3
"""Of one split: one of small partitions may have thousands."""


@dataclass(frozen=True, slots=True)
class SplitTiming:
    """One split of a commit, as the attempt that counts loaded it.

    ranges         the longest few
    range_count    how many there were
    duration_ms    from the begin of the attempt to its end, by the worker's own clock
    fetched_bytes  of the log, as compressed there
    host           where the worker ran
    """

    ranges: tuple[OffsetRange, ...]
    range_count: int
    duration_ms: int
    fetched_bytes: int
    row_count: int
    host: str
