"""What lies in the quarantine: how much of which kind, and the records themselves. Reads only."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loader.commits.log import CommitLog
from loader.commits.record import Commit
from loader.errors import RECORD_LOSS, LedgerDamaged, PathNotFound, UnreadableFile
from loader.operations.job import Job
from loader.operations.proof.findings import RESTORE
from loader.tables.opening import opened
from loader.tables.quarantine import replayed_offsets, waiting_records
from loader.tables.snapshot import live_files
from loader.values import DataFile, layout

KIND = ("topic", "format", "error_class")


@dataclass(slots=True)
class BadKind:
    """All records of a topic that are bad in one way.

    record_count  that wait: what a replay made rows of is not among them
    earliest_ms   smallest and largest record timestamp, None where none has one
    """

    topic: str
    format: str
    error_class: str
    record_count: int = 0
    earliest_ms: int | None = None
    latest_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedRecord:
    """A record as it came, and why it is no row."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    format: str
    schema_id: int | None
    error_class: str
    error_text: str
    run_id: str


def count_bad(job: Job, topic: str | None) -> list[BadKind]:
    """How many records of each kind wait in the quarantine, by topic, most first; of one topic, or of all.

    Raises what the ledger raises, and LedgerDamaged for a file that is gone or broken.
    """
    kinds: dict[tuple[str, ...], BadKind] = {}
    for batch in _waiting(job, topic):
        for group in _groups(pa.table(batch.select([*KIND, "timestamp"]))):
            name = tuple(group[each] for each in KIND)
            kind = kinds.setdefault(name, BadKind(*name))
            kind.record_count += group["time_count"]
            times = [kind.earliest_ms, kind.latest_ms, group["time_min"], group["time_max"]]
            known = [time for time in times if time is not None]
            kind.earliest_ms, kind.latest_ms = min(known, default=None), max(known, default=None)
    return sorted(kinds.values(), key=lambda kind: (kind.topic, -kind.record_count, kind.error_class))


def read_bad(job: Job, topic: str, error_class: str | None) -> Iterator[QuarantinedRecord]:
    """The records of a topic that wait, in the order in which they were loaded. Raises as `count_bad` does.

    error_class  only those with this mistake; None for all
    """
    for batch in _waiting(job, topic):
        wanted = batch
        if error_class is not None:
            wanted = batch.filter(pc.equal(batch.column("error_class"), error_class))
        times_ms = _milliseconds(wanted.column("timestamp")).to_pylist()
        rows = wanted.drop_columns(["timestamp", "timestampType"]).to_pylist()
        for row, time_ms in zip(rows, times_ms, strict=True):
            headers = [(each["key"], each["value"]) for each in row.pop("headers") or ()]
            yield QuarantinedRecord(timestamp_ms=time_ms, headers=headers, **row)


def _groups(rows: pa.Table) -> list[dict[str, Any]]:
    timed = rows.drop_columns("timestamp").append_column("time", _milliseconds(rows.column("timestamp")))
    groups: list[dict[str, Any]] = (
        timed.group_by([*KIND], use_threads=False)
        .aggregate([("time", "count", pc.CountOptions("all")), ("time", "min"), ("time", "max")])
        .to_pylist()
    )
    return groups


def _milliseconds(timestamps: Any) -> Any:
    """As numbers: some lie beyond what a datetime can hold, and are here because of it."""
    return pc.divide(timestamps.cast(pa.int64()), 1000)


def _waiting(job: Job, topic: str | None) -> Iterator[pa.RecordBatch]:
    """What is in every committed file of the quarantine and no row yet, in the order of the commits."""
    log = CommitLog(job.storage, job.name)
    commits = [log.read(version) for version in log.versions()]
    by_path = {file.path: commit for commit in commits for file in commit.files}
    files = [file for file in live_files(commits) if topic in (None, file.ranges[0].topic)]

    def open_file(file: DataFile) -> AbstractContextManager[pq.ParquetFile]:
        return _opened(job, by_path[file.path], file)

    replayed = replayed_offsets(files, open_file)
    for file in files:
        if file.is_quarantine:
            yield from waiting_records(file, open_file, replayed)


@contextmanager
def _opened(job: Job, commit: Commit, file: DataFile) -> Iterator[pq.ParquetFile]:
    """The file, where it is published or still staged."""
    path = file.path
    try:
        job.storage.status(path)
    except PathNotFound:
        path = f"{layout.run_folder(job.name, commit.run_id)}/{file.staged_name}"
    try:
        with opened(job.storage, path) as parquet:
            yield parquet
    except (PathNotFound, UnreadableFile) as error:
        what = "is missing" if isinstance(error, PathNotFound) else f"cannot be read ({error})"
        raise LedgerDamaged(
            f"{job.storage.url}/{file.path} {what}, with {file.row_count} records that commit"
            f" {commit.version} {'made of' if file.is_replay else 'put into'} the quarantine. Nothing was"
            " changed.",
            [RESTORE, RECORD_LOSS],
        ) from error
