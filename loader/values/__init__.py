"""The nouns that every room shares: frozen, checked when made, standard library only."""

from loader.values.bad_records import BadRecord
from loader.values.fetches import AbortedTransaction, FetchedRecords, LostOffsets
from loader.values.files import DataFile
from loader.values.offsets import OffsetRange, TopicPartition, united
from loader.values.positions import PartitionPosition, Position, TopicPosition
from loader.values.splits import (
    Advance,
    LoadedRange,
    RangeCounts,
    Split,
    SplitResult,
    TopicFailure,
    merge_adjacent,
)
from loader.values.timings import SplitTiming

__all__ = [
    "AbortedTransaction",
    "Advance",
    "BadRecord",
    "DataFile",
    "FetchedRecords",
    "LoadedRange",
    "LostOffsets",
    "OffsetRange",
    "PartitionPosition",
    "Position",
    "RangeCounts",
    "Split",
    "SplitResult",
    "SplitTiming",
    "TopicFailure",
    "TopicPartition",
    "TopicPosition",
    "merge_adjacent",
    "united",
]
