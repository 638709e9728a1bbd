"""Rows written again are the same rows, by partition and offset, whatever files they lay in."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loader.config.job import JobConfig
from loader.config.secrets import Secrets
from loader.errors import LedgerDamaged, PathNotFound
from loader.operations.changes.rewriting import rewrite
from loader.operations.job import Job, open_job
from loader.records.schema import RAW_SCHEMA
from loader.sink.topic_sink import TopicSink
from loader.tables.footers import read_footer
from loader.values import DataFile, LoadedRange, OffsetRange, RangeCounts, layout
from tests.sink.test_topic_sink import rows
from tests.sink.test_typed_rows import TYPED_SCHEMA, typed_rows
from tests.tables.test_footers import PROVENANCE

T0_US = 1_709_200_800_000_000


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return new_job(tmp_path)


def new_job(folder: Path, **write: int) -> Job:
    document = {
        "job": {"name": "nightly", "destination": folder.as_uri()},
        "kafka": {"bootstrap_servers": ["127.0.0.1:1"]},
        "topics": [{"name": "orders"}],
        "write": write,
    }
    return open_job(JobConfig.model_validate(document), Secrets())


def publish(
    job: Job, schema: pa.Schema, name: str, batches: Sequence[tuple[int, pa.RecordBatch]]
) -> DataFile:
    """One published file of an hour, as a load makes it."""
    wanted = {partition: OffsetRange("orders", partition, 0, 10_000) for partition, _ in batches}
    sink = TopicSink(job.storage, "staged", "orders", schema, job.config.write, name, PROVENANCE)
    with sink:
        for partition, batch in batches:
            sink.write(wanted[partition], batch)
        loaded = [
            LoadedRange(each, RangeCounts(row_count=each.offset_count), 1, 1) for each in wanted.values()
        ]
        (file,) = sink.close(loaded)
    job.storage.move(f"staged/{file.staged_name}", file.path)
    return file


def staged(file: DataFile) -> str:
    return f"{layout.run_folder('nightly', 'run-b')}/{file.staged_name}"


def read(job: Job, path: str) -> pa.Table:
    return pq.ParquetFile(job.storage.open(path)).read()


def test_interleaved_rows_of_several_files_become_one_file_in_order(job: Job) -> None:
    rng = random.Random(4)
    owner = {(partition, offset): rng.randrange(3) for partition in range(3) for offset in range(500)}
    whole = [rows(500, partition=partition) for partition in range(3)]
    files = []
    for number in range(3):
        parts = []
        for partition in range(3):
            mine = [owner[partition, offset] == number for offset in range(500)]
            parts.append((partition, whole[partition].filter(pa.array(mine))))
        files.append(publish(job, RAW_SCHEMA, f"a{number}-0", parts))

    (merged,) = rewrite(job, "run-b", files, RAW_SCHEMA, "b1")

    assert read(job, staged(merged)).cast(RAW_SCHEMA) == pa.Table.from_batches(whole)
    assert merged.row_count == 1500
    assert merged.ranges == tuple(OffsetRange("orders", partition, 0, 500) for partition in range(3))
    assert (merged.min_timestamp_ms, merged.max_timestamp_ms) == (T0_US // 1000, T0_US // 1000)
    assert merged.path.rpartition("/")[0] == files[0].path.rpartition("/")[0]


def test_the_footer_of_rewritten_rows_carries_what_the_older_footers_told(job: Job) -> None:
    files = [
        publish(job, RAW_SCHEMA, f"a{number}-0", [(number, rows(5, partition=number))]) for number in (0, 1)
    ]
    once = rewrite(job, "run-b", files[:1], RAW_SCHEMA, "b1")
    job.storage.move(staged(once[0]), once[0].path)

    (twice,) = rewrite(job, "run-b", [*once, files[1]], RAW_SCHEMA, "b2")

    footer = read_footer(job.storage, staged(twice), twice.size_bytes)
    assert footer is not None
    assert [loaded.range for loaded in footer.carried] == [
        OffsetRange("orders", 0, 0, 10_000),
        OffsetRange("orders", 1, 0, 10_000),
    ]
    assert footer.share is None
    assert (footer.run_id, footer.named_path, footer.job_id) == (
        "run-b",
        twice.path,
        PROVENANCE["loader.job_id"],
    )


def test_only_rows_to_keep_are_written_and_none_makes_no_file(job: Job) -> None:
    file = publish(job, RAW_SCHEMA, "a1-0", [(0, rows(100)), (1, rows(100, partition=1))])

    def outside(partition: int, offsets: np.ndarray) -> np.ndarray:
        return (partition != 0) | (offsets < 30) | (offsets >= 60)

    (kept,) = rewrite(job, "run-b", [file], RAW_SCHEMA, "b1", outside)
    nothing = rewrite(
        job, "run-b", [file], RAW_SCHEMA, "b2", lambda _, offsets: np.zeros(len(offsets), np.bool_)
    )

    found = read(job, staged(kept))
    places = list(zip(found["partition"].to_pylist(), found["offset"].to_pylist(), strict=True))
    assert places == [
        *((0, offset) for offset in range(100) if not 30 <= offset < 60),
        *((1, offset) for offset in range(100)),
    ]
    assert nothing == ()


def test_typed_rows_get_the_columns_of_their_table(job: Job) -> None:
    file = publish(job, TYPED_SCHEMA, "a1-0", [(0, typed_rows(range(50), partition=0))])
    wider = TYPED_SCHEMA.insert(0, pa.field("more", pa.int64()))

    (merged,) = rewrite(job, "run-b", [file], wider, "b1")

    found = read(job, staged(merged))
    before = read(job, file.path)
    assert found["more"].null_count == 50
    assert found.drop_columns(["more"]) == before


def test_files_are_rolled_at_their_target_size(tmp_path: Path) -> None:
    job = new_job(tmp_path, row_group_bytes=1 << 14, target_file_bytes=1 << 16)
    whole = rows(2000, value_bytes=200)
    parts = [(0, whole.slice(first, 100)) for first in range(0, 2000, 100)]
    file = publish(new_job(tmp_path, row_group_bytes=1 << 14), RAW_SCHEMA, "a1-0", parts)

    merged = rewrite(job, "run-b", [file], RAW_SCHEMA, "b1")

    assert len(merged) > 2
    tables = [read(job, staged(each)) for each in merged]
    assert pa.concat_tables(tables).cast(RAW_SCHEMA) == pa.Table.from_batches([whole])


def test_a_broken_file_is_named_and_nothing_is_left(job: Job) -> None:
    files = [
        publish(job, RAW_SCHEMA, f"a{number}-0", [(0, rows(50, first=50 * number))]) for number in (0, 1)
    ]
    path = Path(job.storage.url.removeprefix("file://")) / files[1].path
    content = bytearray(path.read_bytes())
    content[40] ^= 0xFF
    path.write_bytes(content)

    with pytest.raises(LedgerDamaged, match=files[1].path):
        rewrite(job, "run-b", files, RAW_SCHEMA, "b1")

    with pytest.raises(PathNotFound):
        job.storage.names(layout.run_folder("nightly", "run-b"))
