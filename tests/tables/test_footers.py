"""What a file says about itself is what its commit says about it."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loader.config.output import WriteConfig
from loader.errors import PathNotFound, UnreadableFile
from loader.records.schema import RAW_SCHEMA
from loader.sink.topic_sink import TopicSink
from loader.storage.local import LocalStorage
from loader.tables.footers import Footer, read_footer
from loader.values import DataFile, LoadedRange, OffsetRange, RangeCounts

WANTED = OffsetRange("orders", 0, 0, 1000)
LOADED = LoadedRange(
    WANTED,
    RangeCounts(900, 0, 50, 10, 30, 10),
    leader_epoch=4,
    fetched_bytes=12345,
    repaired_header_key_count=2,
    unreadable_timestamp_count=1,
    lost_ranges=(OffsetRange("orders", 0, 0, 10),),
)
PROVENANCE = {
    "loader.job": "job",
    "loader.job_id": "j-1",
    "loader.cluster_id": "c-1",
    "loader.run_id": "run-a",
    "loader.topic": "orders",
    "loader.topic_id": "t-1",
}


def rows(first: int, count: int) -> pa.RecordBatch:
    columns = {
        "key": [None] * count,
        "value": [b"x" * 1000] * count,
        "topic": ["orders"] * count,
        "partition": [0] * count,
        "offset": list(range(first, first + count)),
        "timestamp": [1_709_200_800_000_000 + first] * count,
        "timestampType": [0] * count,
        "headers": [None] * count,
    }
    return pa.RecordBatch.from_pydict(columns, schema=RAW_SCHEMA)


def write(storage: LocalStorage, provenance: dict[str, str] | None = None) -> tuple[DataFile, ...]:
    """Ten row groups in files of about two."""
    config = WriteConfig.model_validate(
        {"row_group_bytes": 1 << 16, "target_file_bytes": 1 << 17, "compression": "none"}
    )
    sink = TopicSink(storage, "staged", "orders", RAW_SCHEMA, config, "a1-0", provenance or PROVENANCE)
    with sink:
        for first in range(0, 900, 90):
            sink.write(WANTED, rows(first, 90))
        return sink.close([LOADED])


def footers(storage: LocalStorage, files: tuple[DataFile, ...]) -> list[Footer]:
    found = [read_footer(storage, f"staged/{file.staged_name}", file.size_bytes) for file in files]
    assert None not in found
    return [footer for footer in found if footer is not None]


def test_a_file_comes_back_as_its_manifest_describes_it(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    files = write(storage)

    found = footers(storage, files)

    assert len(files) > 3
    assert [replace(footer.file, path=file.path) for footer, file in zip(found, files, strict=True)] == [
        *files
    ]
    assert {(each.job, each.job_id, each.cluster_id, each.run_id, each.topic_id) for each in found} == {
        ("job", "j-1", "c-1", "run-a", "t-1")
    }
    assert {(each.topic, each.attempt) for each in found} == {("orders", "a1-0")}
    assert [each.named_path for each in found] == [file.path for file in files]


def test_the_last_files_of_an_attempt_tell_what_all_of_them_hold(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    files = write(storage)

    shares = [footer.share for footer in footers(storage, files)]

    assert shares[:-1] == [None] * (len(files) - 1)
    assert shares[-1] is not None
    assert shares[-1].ranges == (LOADED,)
    assert shares[-1].file_count == len(files)


def test_a_file_of_another_program_has_no_footer_of_ours(tmp_path: Path) -> None:
    pq.write_table(pa.table({"offset": [1]}), tmp_path / "stranger.parquet")

    assert read_footer(LocalStorage(tmp_path), "stranger.parquet", 1) is None
    with pytest.raises(PathNotFound):
        read_footer(LocalStorage(tmp_path), "nowhere.parquet", 1)


@pytest.mark.parametrize("size_bytes", [0, 3, 100, -1, -8])
def test_a_broken_file_is_told_from_a_strangers(tmp_path: Path, size_bytes: int) -> None:
    storage = LocalStorage(tmp_path)
    file = tmp_path / "staged" / write(storage)[0].staged_name
    file.write_bytes(file.read_bytes()[:size_bytes])

    with pytest.raises(UnreadableFile, match="is not a whole Parquet file"):
        read_footer(storage, f"staged/{file.name}", 1)


@pytest.mark.parametrize("missing", ["loader.topic", "loader.job_id", "loader.run_id"])
def test_a_footer_that_lacks_a_fact_is_not_believed(tmp_path: Path, missing: str) -> None:
    storage = LocalStorage(tmp_path)
    facts = {key: value for key, value in PROVENANCE.items() if key != missing}
    file = write(storage, facts)[0]

    with pytest.raises(UnreadableFile, match=missing):
        read_footer(storage, f"staged/{file.staged_name}", 1)
