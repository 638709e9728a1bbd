"""Typed files are read back by what Kafka said of their rows, whatever fields their values have."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loader.config.output import WriteConfig
from loader.errors import UnreadableFile
from loader.sink.topic_sink import TopicSink
from loader.storage.local import LocalStorage
from loader.tables.offsets import read_offsets
from loader.tables.opening import opened
from loader.tables.rows import read_rows
from loader.values import OffsetRange
from tests.sink.test_typed_rows import TYPED_SCHEMA, typed_rows

from .test_damaged_files import assert_damage_is_told, assert_damage_of_data_is_found
from .test_footers import LOADED, PROVENANCE

WANTED = [OffsetRange("orders", partition, 0, 1000) for partition in (0, 1)]


def write_typed(folder: Path, parts: Iterable[tuple[int, range]], **config: int) -> Path:
    """A file of rows of some partitions; the value has a field `offset`, which is a text."""
    write = WriteConfig.model_validate(config)
    sink = TopicSink(LocalStorage(folder), "staged", "orders", TYPED_SCHEMA, write, "a1-0", PROVENANCE)
    with sink:
        for partition, offsets in parts:
            sink.write(WANTED[partition], typed_rows(offsets, partition=partition))
        (file,) = sink.close([LOADED])
    return folder / "staged" / file.staged_name


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Several row groups, of the offsets 0 to 199 of partition 0, then 0 to 49 of partition 1."""
    parts = [(0, range(100)), (0, range(100, 200)), (1, range(50))]
    return write_typed(tmp_path, parts, row_group_bytes=1 << 14)


def test_the_offsets_of_a_typed_file_are_kafkas(written: Path) -> None:
    with opened(LocalStorage(written.parent), written.name) as parquet:
        found = [(part.topic, part.partition, part.offsets.tolist()) for part in read_offsets(parquet)]
        groups = parquet.num_row_groups

    assert groups > 1
    assert [(partition, offset) for _, partition, offsets in found for offset in offsets] == [
        *((0, offset) for offset in range(200)),
        *((1, offset) for offset in range(50)),
    ]
    assert {topic for topic, _, _ in found} == {"orders"}


def test_typed_rows_of_some_offsets_are_found_whole(written: Path) -> None:
    with opened(LocalStorage(written.parent), written.name) as parquet:
        found = read_rows(parquet, OffsetRange("orders", 0, 98, 103))
        of_another = read_rows(parquet, OffsetRange("orders", 1, 48, 103))

    assert found.to_pylist() == typed_rows(range(98, 103)).to_pylist()
    assert of_another.to_pylist() == typed_rows(range(48, 50), partition=1).to_pylist()


@pytest.mark.parametrize(
    ("kafka", "problem"),
    [
        (pa.array(["text"]), "its column topic is missing"),
        (pa.array([{"topic": "a", "partition": 0}]), "its column partition is int64, not int32"),
        (
            pa.array([None], TYPED_SCHEMA.field("kafka").type),
            "row group 0 has rows of no topic",
        ),
    ],
    ids=["no struct", "other types", "null"],
)
def test_typed_rows_that_do_not_say_where_they_are_from_are_refused(
    kafka: pa.Array, problem: str, tmp_path: Path
) -> None:
    # That the value has the wanted columns too does not help.
    columns = {
        "topic": ["orders"],
        "partition": pa.array([0], pa.int32()),
        "offset": pa.array([0], pa.int64()),
        "kafka": kafka,
    }
    pq.write_table(pa.table(columns), tmp_path / "odd.parquet")

    with (
        pytest.raises(UnreadableFile, match=problem),
        opened(LocalStorage(tmp_path), "odd.parquet") as parquet,
    ):
        list(read_offsets(parquet))


def test_every_damaged_bit_of_a_typed_file_is_an_unreadable_file_or_harmless(tmp_path: Path) -> None:
    assert_damage_is_told(write_typed(tmp_path, [(0, range(30))]), 400, seed=3)


def test_a_flipped_bit_in_the_data_of_any_page_of_a_typed_file_is_found(written: Path) -> None:
    assert assert_damage_of_data_is_found(written, seed=4) > 2 * len(TYPED_SCHEMA)
