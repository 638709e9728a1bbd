"""A damaged file is a value that a caller can judge, whichever of its bytes are damaged."""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loader.config.output import WriteConfig
from loader.errors import UnreadableFile
from loader.records.schema import RAW_SCHEMA
from loader.sink.topic_sink import TopicSink
from loader.storage.local import LocalStorage
from loader.tables.footers import footer_of
from loader.tables.offsets import read_offsets
from loader.tables.opening import opened
from loader.tables.rows import decode_all, read_rows
from loader.values import OffsetRange

from .test_footers import LOADED, PROVENANCE, WANTED, rows


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Two row groups, of the offsets 0 to 29 and 30 to 59."""
    config = WriteConfig.model_validate({"row_group_bytes": 1 << 14})
    sink = TopicSink(LocalStorage(tmp_path), "staged", "orders", RAW_SCHEMA, config, "a1-0", PROVENANCE)
    with sink:
        for first in (0, 30):  # each as large as a row group
            sink.write(WANTED, rows(first, 30))
        (file,) = sink.close([LOADED])
    return tmp_path / "staged" / file.staged_name


def read_whole(path: Path) -> list[int]:
    """Every way there is to read a file; its offsets."""
    with opened(LocalStorage(path.parent), path.name) as parquet:
        footer_of(parquet.metadata, path.name, path.stat().st_size)
        found = [offset for part in read_offsets(parquet) for offset in part.offsets.tolist()]
        read_rows(parquet, OffsetRange("orders", 0, 2, 4))
        decode_all(parquet)
        return found


def pages_of(path: Path) -> Iterator[range]:
    """Where the pages of each column lie in each row group, headers and all."""
    metadata = pq.ParquetFile(path).metadata
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            start = column.dictionary_page_offset or column.data_page_offset
            yield range(start, start + column.total_compressed_size)


def assert_damage_is_told(written: Path, count: int, seed: int) -> None:
    """A flipped bit at some places of a file leaves it unreadable, by its own name, or harms nothing."""
    whole, chance = written.read_bytes(), random.Random(seed)
    for place in chance.sample(range(len(whole)), count):
        written.write_bytes(flipped(whole, place, chance))
        try:
            read_whole(written)
        except UnreadableFile as error:
            assert str(error).startswith(f"file://{written}")  # noqa: PT017 - most, not all, raise


def assert_damage_of_data_is_found(written: Path, seed: int) -> int:
    """A flipped bit in the data of any page leaves the file unreadable; how many pages that is tried with."""
    whole, chance = written.read_bytes(), random.Random(seed)
    ends = [pages.stop - 1 for pages in pages_of(written)]  # of a page's data, not of its header
    for end in ends:
        written.write_bytes(flipped(whole, end, chance))
        with pytest.raises(UnreadableFile):
            read_whole(written)
    return len(ends)


def flipped(whole: bytes, place: int, chance: random.Random) -> bytes:
    """With another bit in one byte."""
    damaged = bytearray(whole)
    damaged[place] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def test_every_damaged_bit_is_an_unreadable_file_or_harmless(written: Path) -> None:
    assert_damage_is_told(written, 250, seed=1)


def test_a_flipped_bit_in_the_data_of_any_page_is_found(written: Path) -> None:
    assert assert_damage_of_data_is_found(written, seed=2) == 2 * 9


def test_the_offsets_of_a_file_are_those_of_its_rows(written: Path) -> None:
    with opened(LocalStorage(written.parent), written.name) as parquet:
        found = [(part.topic, part.partition, part.offsets.tolist()) for part in read_offsets(parquet)]

    assert found == [("orders", 0, list(range(30))), ("orders", 0, list(range(30, 60)))]


def test_offsets_of_several_partitions_and_topics_are_told_apart(tmp_path: Path) -> None:
    columns = {"topic": ["a", "b", "a", "a"], "partition": [0, 0, 1, 0], "offset": [7, 1, 2, 8]}
    schema = pa.schema([RAW_SCHEMA.field(name) for name in columns])
    pq.write_table(pa.table(columns, schema), tmp_path / "mixed.parquet")

    with opened(LocalStorage(tmp_path), "mixed.parquet") as parquet:
        found = [(part.topic, part.partition, part.offsets.tolist()) for part in read_offsets(parquet)]

    assert sorted(found) == [("a", 0, [7, 8]), ("a", 1, [2]), ("b", 0, [1])]


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"topic": ["a"], "partition": np.array([0], np.int32)}, "its column offset is missing"),
        (
            {"topic": ["a"], "partition": np.array([0], np.int32), "offset": ["1"]},
            "its column offset is string",
        ),
        (
            {"topic": ["a"], "partition": np.array([0], np.int32), "offset": pa.array([None], pa.int64())},
            "row group 0 has rows of no offset",
        ),
    ],
    ids=["missing", "text", "null"],
)
def test_rows_that_do_not_say_where_they_are_from_are_refused(
    columns: dict[str, object], problem: str, tmp_path: Path
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "odd.parquet")

    with (
        pytest.raises(UnreadableFile, match=problem),
        opened(LocalStorage(tmp_path), "odd.parquet") as parquet,
    ):
        list(read_offsets(parquet))


def test_rows_of_some_offsets_are_found_in_whichever_row_groups_they_are(written: Path) -> None:
    with opened(LocalStorage(written.parent), written.name) as parquet:
        found = read_rows(parquet, OffsetRange("orders", 0, 28, 32))
        nothing = [
            read_rows(parquet, OffsetRange("orders", partition, 60, 70)).num_rows for partition in (0, 1)
        ]

    assert found.schema.equals(RAW_SCHEMA)
    assert found.column("offset").to_pylist() == [28, 29, 30, 31]
    assert nothing == [0, 0]
