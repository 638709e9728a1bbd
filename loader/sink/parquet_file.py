"""One Parquet file while it is being written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loader.config.output import WriteConfig
from loader.errors import StorageUnavailable
from loader.formats.metadata import is_typed, metadata
from loader.formats.names import KAFKA
from loader.sink import leaves
from loader.storage.protocol import Storage
from loader.values import DataFile, OffsetRange, layout


@dataclass(slots=True)
class _Span:
    """What a file holds of one planned range: [first offset, last offset + 1)."""

    start_offset: int
    end_offset: int


@dataclass(slots=True)
class _Summary:
    row_count: int = 0
    spans: dict[OffsetRange, _Span] = field(default_factory=dict)
    min_timestamp_us: int | None = None
    max_timestamp_us: int | None = None


class ParquetFile:
    """Row groups of one topic and one time folder, staged under a name of this attempt's own.

    Rows arrive ordered by partition and offset, which the file declares as its sorting columns.
    """

    def __init__(
        self, storage: Storage, staged_folder: str, staged_name: str, schema: pa.Schema, config: WriteConfig
    ) -> None:
        self._storage = storage
        self._schema = _with_topic_as_dictionary(schema)
        self._staged_path = f"{staged_folder}/{staged_name}"
        self._staged_name = staged_name
        self._summary = _Summary()
        self._output = storage.create(self._staged_path)
        try:
            self._writer = self._open_writer(config)
        except BaseException as error:  # it writes the file's first bytes: the disk may be full
            self._output.__exit__(type(error), error, error.__traceback__)
            raise

    def _open_writer(self, config: WriteConfig) -> pq.ParquetWriter:
        return pq.ParquetWriter(
            pa.PythonFile(self._output, mode="w"),
            self._schema,
            compression=config.compression,
            compression_level=config.compression_level,
            use_dictionary=leaves.dictionaries(self._schema),
            write_statistics=leaves.statistics(self._schema),
            sorting_columns=pq.SortingColumn.from_ordering(self._schema, leaves.order(self._schema)),
            coerce_timestamps="us",
            write_batch_size=16 * 1024,
            store_schema=False,  # it would make the topic a category for pandas, and says nothing else
            write_page_checksum=True,  # a flipped bit need not disturb a codec; costs about 2 % of the CPU
        )

    @property
    def written_bytes(self) -> int:
        """Size so far."""
        return self._output.tell()

    def write_row_group(self, batches: Sequence[tuple[OffsetRange, pa.RecordBatch]]) -> None:
        """Write batches, each with the planned range it is of, as one row group."""
        table = _with_one_topic(
            pa.Table.from_batches([rows for _, rows in batches]), batches[0][0].topic, self._schema
        )
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        for wanted, rows in batches:
            self._note(wanted, rows)

    def _note(self, wanted: OffsetRange, rows: pa.RecordBatch) -> None:
        offsets = metadata(rows, "offset")
        first, last = offsets[0].as_py(), offsets[-1].as_py()
        span = self._summary.spans.setdefault(wanted, _Span(first, last + 1))
        span.end_offset = last + 1
        self._summary.row_count += rows.num_rows
        timestamps = metadata(rows, "timestamp").cast(pa.int64())
        if timestamps.null_count < len(timestamps):
            bounds = pc.min_max(timestamps)
            low, high = bounds["min"].as_py(), bounds["max"].as_py()
            known_low, known_high = self._summary.min_timestamp_us, self._summary.max_timestamp_us
            self._summary.min_timestamp_us = low if known_low is None else min(low, known_low)
            self._summary.max_timestamp_us = high if known_high is None else max(high, known_high)

    def close(self, folder: str, provenance: Mapping[str, str]) -> DataFile:
        """Finish the file and say what it is. Raises StorageUnavailable when fewer bytes arrived than sent.

        folder      of its published place
        provenance  goes to the footer: with it the ledger can be rebuilt from the files alone
        """
        summary = self._summary
        ranges = tuple(
            OffsetRange(wanted.topic, wanted.partition, span.start_offset, span.end_offset)
            for wanted, span in sorted(summary.spans.items())
        )
        spans = [[part.partition, part.start_offset, part.end_offset] for part in ranges]
        earliest_ms = _milliseconds(summary.min_timestamp_us)
        latest_ms = _milliseconds(summary.max_timestamp_us)
        path = f"{folder}/{layout.data_file_name(ranges, self._staged_name.removesuffix('.parquet'))}"
        facts = {
            **provenance,
            "loader.path": path,
            "loader.staged_name": self._staged_name,
            "loader.ranges": json.dumps(spans),
            "loader.row_count": str(summary.row_count),
            "loader.timestamps_ms": json.dumps([earliest_ms, latest_ms]),
        }
        with self._output:
            self._writer.add_key_value_metadata(facts)
            self._writer.close()
            sent_bytes = self._output.tell()
        found_bytes = self._storage.status(self._staged_path).size_bytes
        if found_bytes != sent_bytes or found_bytes == 0:
            raise StorageUnavailable(
                f"{self._storage.url}/{self._staged_path}: wrote {sent_bytes} bytes, but the file has"
                f" {found_bytes}. Nothing of it is committed. Run again; if it repeats, look at the disks."
            )
        return DataFile(
            path=path,
            staged_name=self._staged_name,
            size_bytes=found_bytes,
            row_count=summary.row_count,
            ranges=ranges,
            min_timestamp_ms=earliest_ms,
            max_timestamp_ms=latest_ms,
        )

    def abandon(self, error: BaseException) -> None:
        """Remove the file: an unfinished one must not look like a whole one."""
        # Left open, pyarrow's writer would write a footer when it is collected.
        self._writer.is_open = False
        self._output.__exit__(type(error), error, error.__traceback__)


def _with_topic_as_dictionary(schema: pa.Schema) -> pa.Schema:
    """The schema that the writer gets: a file has one topic, and need not look at it row by row."""
    if not is_typed(schema):
        return _with_words(schema)
    at = schema.get_field_index(KAFKA)
    fields = _with_words(pa.schema(list(schema.field(at).type)))
    return schema.set(at, schema.field(at).with_type(pa.struct(list(fields))))


def _with_words(schema: pa.Schema) -> pa.Schema:
    at = schema.get_field_index("topic")
    return schema.set(at, schema.field(at).with_type(pa.dictionary(pa.int32(), pa.string())))


def _with_one_topic(table: pa.Table, topic: str, schema: pa.Schema) -> pa.Table:
    """The rows with their topic as `_with_topic_as_dictionary` has it."""
    if not is_typed(schema):
        at = schema.get_field_index("topic")
        return table.set_column(at, schema.field(at), _repeated(topic, table.num_rows))
    at = schema.get_field_index(KAFKA)
    fields = list(schema.field(at).type)
    chunks = [
        pa.StructArray.from_arrays(
            [
                _repeated(topic, len(chunk)) if field.name == "topic" else chunk.field(field.name)
                for field in fields
            ],
            fields=fields,
        )
        for chunk in table.column(at).chunks
    ]
    return table.set_column(at, schema.field(at), pa.chunked_array(chunks, schema.field(at).type))


def _repeated(word: str, count: int) -> pa.DictionaryArray:
    zeros = pa.Array.from_buffers(pa.int32(), count, [None, pa.py_buffer(bytes(4 * count))], 0)
    return pa.DictionaryArray.from_arrays(zeros, pa.array([word], pa.string()))


def _milliseconds(microseconds: int | None) -> int | None:
    return None if microseconds is None else microseconds // 1000
