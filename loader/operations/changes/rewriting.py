"""Rows of published files, written into new ones: all of them into fewer files, or some without the rest.

The old files stay until the commit that names the new ones is published.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from loader.errors import RECORD_LOSS, LedgerDamaged, PathNotFound, UnreadableFile
from loader.operations.job import Job
from loader.operations.proof.findings import RESTORE
from loader.sink.parquet_file import ParquetFile
from loader.tables.footers import Footer, read_footer
from loader.tables.merged_rows import Keep, keep_all, merged_rows
from loader.values import DataFile, OffsetRange, layout
from loader.values.documents import encode_loaded_range
from loader.values.files import REPLAY_PREFIX

PAST_ALL_OFFSETS = 2**63 - 1


def rewrite(
    job: Job,
    run_id: str,
    files: Sequence[DataFile],
    schema: pa.Schema,
    attempt: str,
    keep: Keep = keep_all,
    location_of: Callable[[DataFile], str] = lambda file: file.path,
) -> tuple[DataFile, ...]:
    """Write the rows of some files again, by partition and offset, into new files of the run.

    files    published ones of one topic, in one folder, and of one kind: rows, quarantined records, or
             replayed rows, all raw or all typed
    schema   that the new rows get; what a file lacks is null
    attempt  random, and of this call alone, so that names are unique for ever
    keep     which rows; where there is none, there is no new file
    location_of  where a file lies, relative to the destination

    A footer carries what those of the old files told of the loads that they were of: so the ledger can still
    be rebuilt from the files alone.

    Raises LedgerDamaged for a file that is gone or broken, and what the storage raises; what was written lies
    in the run's folder then, for the caller to drop.
    """
    try:
        locations = [location_of(file) for file in files]
        footers = [_footer(job, path, file.size_bytes) for path, file in zip(locations, files, strict=True)]
        output = _Output(job, run_id, files[0], schema, attempt, _provenance(job, run_id, footers))
        try:
            for partition, rows in merged_rows(job.storage, locations, schema, keep):
                output.take(partition, rows)
            return output.end()
        except BaseException as error:
            output.abandon(error)
            raise
    except (PathNotFound, UnreadableFile) as error:
        raise LedgerDamaged(
            f"a file of {files[0].ranges[0].topic} that the ledger names cannot be read: {error} Nothing was"
            " changed.",
            [RESTORE, RECORD_LOSS],
        ) from error


def _footer(job: Job, path: str, size_bytes: int) -> Footer:
    footer = read_footer(job.storage, path, size_bytes)
    if footer is None:
        raise UnreadableFile(f"{job.storage.url}/{path}: another program wrote it.")
    return footer


def _provenance(job: Job, run_id: str, footers: Sequence[Footer]) -> dict[str, str]:
    first = footers[0]
    shares = (loaded for footer in footers if footer.share is not None for loaded in footer.share.ranges)
    carried = (loaded for footer in footers for loaded in footer.carried)
    distinct = {loaded.range: loaded for loaded in (*carried, *shares)}
    return {
        "loader.job": job.name,
        "loader.job_id": first.job_id,
        "loader.cluster_id": first.cluster_id,
        "loader.run_id": run_id,
        "loader.topic": first.topic,
        "loader.topic_id": first.topic_id,
        # Each as it was told: joined with others, they could not be known again.
        "loader.carried": json.dumps([encode_loaded_range(distinct[span]) for span in sorted(distinct)]),
    }


@dataclass(slots=True)
class _Output:
    """The new files: rows wait for whole row groups, and a file ends near its target size."""

    job: Job
    run_id: str
    like: DataFile
    schema: pa.Schema
    attempt: str
    provenance: Mapping[str, str]
    files: list[DataFile] = field(default_factory=list)
    file: ParquetFile | None = None
    waiting: list[tuple[OffsetRange, pa.RecordBatch]] = field(default_factory=list)
    waiting_bytes: int = 0

    def take(self, partition: int, rows: pa.RecordBatch) -> None:
        topic = self.like.ranges[0].topic
        self.waiting.append((OffsetRange(topic, partition, 0, PAST_ALL_OFFSETS), rows))
        self.waiting_bytes += rows.nbytes
        if self.waiting_bytes >= self.job.config.write.row_group_bytes:
            self._write_row_group()

    def end(self) -> tuple[DataFile, ...]:
        self._write_row_group()
        self._close()
        return tuple(self.files)

    def abandon(self, error: BaseException) -> None:
        if self.file is not None:
            self.file.abandon(error)

    def _write_row_group(self) -> None:
        if not self.waiting:
            return
        write = self.job.config.write
        if self.file is not None and self.file.written_bytes >= write.target_file_bytes:
            self._close()
        if self.file is None:
            folder = layout.run_folder(self.job.name, self.run_id)
            self.file = ParquetFile(self.job.storage, folder, self._staged_name(), self.schema, write)
        self.file.write_row_group(self.waiting)
        self.waiting, self.waiting_bytes = [], 0

    def _staged_name(self) -> str:
        replay = REPLAY_PREFIX if self.like.is_replay else ""
        quarantine = "q" if self.like.is_quarantine else ""
        return f"{replay}{self.attempt}-{quarantine}{len(self.files)}.parquet"

    def _close(self) -> None:
        if self.file is not None:
            folder = self.like.path.rpartition("/")[0]
            self.files.append(self.file.close(folder, self.provenance))
            self.file = None
