"""What is in the quarantine of a job: records that could not be decoded, and which of them are rows by now.

A replayed record stays in its quarantine file, which is never written again; that it is done is told by the
row with its offset in a file of a replay. So no mark can be lost, or be there without its row.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loader.commits.record import Commit
from loader.formats.quarantine import QUARANTINE_SCHEMA
from loader.sink.columns import integers
from loader.storage.protocol import Storage
from loader.tables.offsets import read_offsets
from loader.tables.opening import opened
from loader.values import DataFile, TopicPartition

BATCH_ROWS = 8 * 1024

Replayed = dict[TopicPartition, NDArray[np.int64]]
"""By partition, the offsets of quarantined records that are rows by now, rising."""


def live_files(commits: Iterable[Commit]) -> list[DataFile]:
    """The files that commits added and none took away, oldest first."""
    files: dict[str, DataFile] = {}
    for commit in commits:
        if commit.operation == "repair":  # it lists all that was there
            files.clear()
        files |= {file.path: file for file in commit.files}
        for path in commit.removed_files:
            files.pop(path, None)
    return list(files.values())


def replayed_offsets(storage: Storage, files: Sequence[DataFile]) -> Replayed:
    """Which quarantined records became rows. Raises PathNotFound, UnreadableFile."""
    found: defaultdict[TopicPartition, list[NDArray[np.int64]]] = defaultdict(list)
    for file in files:
        if file.is_replay:
            with opened(storage, file.path) as parquet:
                for rows in read_offsets(parquet):
                    found[TopicPartition(rows.topic, rows.partition)].append(rows.offsets)
    return {place: np.sort(np.concatenate(offsets)) for place, offsets in found.items()}


def waiting_records(
    storage: Storage, file: DataFile, replayed: Replayed, partition: int | None = None
) -> Iterator[pa.RecordBatch]:
    """The records of a quarantine file that are no rows yet, each batch of one partition, in their order.

    partition  only of this one; by default of all

    Raises PathNotFound, UnreadableFile.
    """
    with opened(storage, file.path) as parquet:
        for batch in parquet.iter_batches(BATCH_ROWS, use_threads=False):
            rows = batch.cast(QUARANTINE_SCHEMA)
            partitions = rows.column("partition").to_numpy()
            for number in np.unique(partitions).tolist():
                if partition in (None, number):
                    done = replayed.get(TopicPartition(file.ranges[0].topic, number), _NO_OFFSETS)
                    is_waiting = (partitions == number) & ~np.isin(integers(rows.column("offset")), done)
                    if is_waiting.any():
                        yield rows.filter(pa.array(is_waiting))


_NO_OFFSETS = np.empty(0, np.int64)
