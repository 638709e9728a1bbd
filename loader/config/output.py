"""What a run reads at once, and how its files look. A duration or a size has its unit in its name."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from loader.config.section import Conflict, Section

KIB, MIB, GIB = 1024, 1024**2, 1024**3
LARGEST_INTEGER = 2**63 - 1

# At the defaults a task stays below 512 MiB: tests/task/test_memory.py. Each MiB more of a fetch takes 3 to 5
# more (one in use, one waiting, one coming in and taken apart), each of a row group about 1.5.
LARGEST_FETCH_BYTES = 64 * MIB
LARGEST_ROW_GROUP_BYTES = 128 * MIB

COMPRESSION_LEVELS = {"zstd": (1, 22), "gzip": (1, 9), "lz4": (1, 12)}


class FetchConfig(Section):
    """How one task reads Kafka."""

    max_bytes: Annotated[int, Field(ge=64 * KIB, le=LARGEST_FETCH_BYTES)] = 8 * MIB
    """The most one fetch may bring; a single larger record batch still comes whole. Higher means fewer
    requests, and more memory per task by three to five times as much."""

    max_wait_ms: Annotated[int, Field(ge=0, le=60_000)] = 500
    """How long a broker may hold a fetch that has too little to send. Higher means fewer requests on quiet
    partitions, and that much longer to notice the end of one."""


class PlanConfig(Section):
    """How the work is cut into tasks."""

    target_split_bytes: Annotated[int, Field(ge=64 * KIB, le=1024 * GIB)] = 256 * MIB
    """How much of the log, as compressed there, one task should read. Lower means more, shorter tasks,
    which balance better and repeat less after a failure; higher means fewer and larger files."""


class LimitsConfig(Section):
    """The most that one run loads. What remains is loaded by the next runs; none by default."""

    max_bytes: Annotated[int, Field(ge=1, le=LARGEST_INTEGER)] | None = None
    """The most bytes of log, as compressed there, that a run plans. Lower makes runs shorter. Estimated, so
    a run can read somewhat more. Every partition moves a little, however low."""

    max_records: Annotated[int, Field(ge=1, le=LARGEST_INTEGER)] | None = None
    """The most offsets that a run plans; records are as many at most. Every partition moves by at least one
    offset, however low."""


class WriteConfig(Section):
    """The Parquet files."""

    partition_by: Literal["hour", "day", "none"] = "hour"
    """Folders by time, UTC: dt=2026-11-22/hour=10, dt=2026-11-22, or none. The time is the record's
    timestamp, unless `time` of the topic names another. Finer folders let queries skip more, and make more,
    smaller files."""

    compression: Literal["zstd", "snappy", "gzip", "lz4", "none"] = "zstd"
    """zstd is small and fast; snappy and lz4 take less CPU and more space; gzip suits old readers."""

    compression_level: Annotated[int, Field(ge=1, le=22)] | None = None
    """zstd 1 to 22, gzip 1 to 9, lz4 1 to 12. Higher means smaller files and more CPU. Without it: the
    codec's default."""

    target_file_bytes: Annotated[int, Field(ge=64 * KIB, le=16 * GIB)] = 256 * MIB
    """Near this size a file is closed and the next one begun. Higher means fewer files."""

    row_group_bytes: Annotated[int, Field(ge=16 * KIB, le=LARGEST_ROW_GROUP_BYTES)] = 64 * MIB
    """How much data, before compression, is written as one row group. Higher compresses and scans better
    and takes more memory per task, about 1.5 times as much; lower lets queries skip more."""

    def conflicts(self) -> Iterator[Conflict]:
        """A level that the codec does not have, or a row group that no file can hold."""
        if self.compression_level is not None:
            lowest, highest = COMPRESSION_LEVELS.get(self.compression, (0, 0))
            keys = ("compression", "compression_level")
            if not highest:
                yield Conflict(
                    keys, f"compression {self.compression} has no levels; remove compression_level"
                )
            elif not lowest <= self.compression_level <= highest:
                yield Conflict(
                    keys,
                    f"compression_level ({self.compression_level}) must be {lowest} to {highest}"
                    f" for compression {self.compression}",
                )
        if self.row_group_bytes > self.target_file_bytes:
            yield Conflict(
                ("row_group_bytes", "target_file_bytes"),
                f"row_group_bytes ({self.row_group_bytes}) must not exceed target_file_bytes"
                f" ({self.target_file_bytes}), or every file is larger than asked for",
            )
