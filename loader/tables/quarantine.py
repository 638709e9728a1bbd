"""What is in the quarantine of a job: records that could not be decoded, and which of them are rows by now.

A replayed record stays in its quarantine file, which is never written again; that it is done is told by the
row with its offset in a file of a replay. So no mark can be lost, or be there without its row.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from loader.formats.quarantine import QUARANTINE_SCHEMA
from loader.sink.columns import integers
from loader.tables.offsets import read_offsets
from loader.values import DataFile, TopicPartition

BATCH_ROWS = 1024

OpenFile = Callable[[DataFile], AbstractContextManager[pq.ParquetFile]]
"""Opens a file wherever it lies."""

Replayed = dict[TopicPartition, NDArray[np.int64]]
"""By partition, the offsets of quarantined records that are rows by now, rising."""


def replayed_offsets(files: Iterable[DataFile], open_file: OpenFile) -> Replayed:
    """Which quarantined records became rows. Raises what `open_file` does."""
    found: defaultdict[TopicPartition, list[NDArray[np.int64]]] = defaultdict(list)
    for file in files:
        if file.is_replay:
            with open_file(file) as parquet:
                for rows in read_offsets(parquet):
                    found[TopicPartition(rows.topic, rows.partition)].append(rows.offsets)
    return {place: np.sort(np.concatenate(offsets)) for place, offsets in found.items()}


def waiting_records(file: DataFile, open_file: OpenFile, replayed: Replayed) -> Iterator[pa.RecordBatch]:
    """The records of a quarantine file that are no rows yet, in their order; a batch may hold none.

    Raises what `open_file` does.
    """
    with open_file(file) as parquet:
        for batch in parquet.iter_batches(BATCH_ROWS, use_threads=False):
            rows = batch.cast(QUARANTINE_SCHEMA)
            partitions, offsets = rows.column("partition").to_numpy(), integers(rows.column("offset"))
            is_waiting = np.ones(rows.num_rows, np.bool_)
            for place, done in replayed.items():
                if place.topic == file.ranges[0].topic:
                    is_waiting &= (partitions != place.partition) | ~np.isin(offsets, done)
            yield rows if is_waiting.all() else rows.filter(pa.array(is_waiting))
