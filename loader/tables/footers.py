"""What a Parquet file of this loader says about itself, in its footer.

The footer of each file names the run, the topic and the offsets of its rows. The last files of each
attempt also hold the share: the ranges that it loaded, with the count of every offset that has no row.
So the ledger can be rebuilt from the files alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from loader.errors import UnreadableFile
from loader.formats.arrow_types import columns_of
from loader.formats.names import KAFKA
from loader.storage.protocol import Storage
from loader.tables.opening import opened
from loader.values import DataFile, LoadedRange, OffsetRange
from loader.values.column_types import StructType
from loader.values.documents import decode_loaded_range


@dataclass(frozen=True, slots=True)
class Share:
    """What one attempt loaded of one topic.

    ranges      with the counts of all their offsets
    file_count  how many files hold their rows
    """

    ranges: tuple[LoadedRange, ...]
    file_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """Who wrote a file, and of what.

    file        as its commit lists it; path and size are those it was found with
    named_path  where it is published, or is to be
    share       None where the file was finished before its attempt had read everything
    carried     of rows that were written again: the ranges that the loads of the older files told of, also of
                their offsets that have no row here
    columns     of typed rows; None where the rows are as Kafka has them
    """

    job: str
    job_id: str
    cluster_id: str
    run_id: str
    topic_id: str
    file: DataFile
    named_path: str
    share: Share | None
    columns: StructType | None
    carried: tuple[LoadedRange, ...] = ()

    @property
    def topic(self) -> str:
        """The one topic of its rows."""
        return self.file.ranges[0].topic

    @property
    def attempt(self) -> str:
        """What the staged names of all files of one share begin with."""
        return self.file.staged_name.rpartition("-")[0]


def read_footer(storage: Storage, path: str, size_bytes: int) -> Footer | None:
    """The footer of a file; None where another program wrote it.

    Raises PathNotFound; UnreadableFile where it is not Parquet, or says what cannot be.
    """
    with opened(storage, path) as parquet:
        return footer_of(parquet.metadata, path, size_bytes)


def footer_of(metadata: pq.FileMetaData, path: str, size_bytes: int) -> Footer | None:
    """What Parquet's own metadata of an open file holds, as `read_footer` gives it. Raises UnreadableFile."""
    try:
        facts = {
            key.decode(): value.decode() for key, value in (metadata.metadata or {}).items() if _ours(key)
        }
        if not facts:
            return None
        footer = _footer(facts, path, size_bytes, _columns(metadata.schema.to_arrow_schema()))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UnreadableFile(f"its footer is none of this loader: {error!r}") from error
    if footer.file.row_count != metadata.num_rows:
        raise UnreadableFile(
            f"it has {metadata.num_rows} rows, but its footer tells of {footer.file.row_count}"
        )
    return footer


def _ours(key: bytes) -> bool:
    return key.startswith(b"loader.")


def _columns(schema: pa.Schema) -> StructType | None:
    is_typed = KAFKA in schema.names and pa.types.is_struct(schema.field(KAFKA).type)
    return columns_of(schema) if is_typed else None


def _footer(facts: Mapping[str, str], path: str, size_bytes: int, columns: StructType | None) -> Footer:
    topic = facts["loader.topic"]
    earliest_ms, latest_ms = json.loads(facts["loader.timestamps_ms"])
    spans = json.loads(facts["loader.ranges"])
    file = DataFile(
        path=path,
        staged_name=facts["loader.staged_name"],
        size_bytes=size_bytes,
        row_count=int(facts["loader.row_count"]),
        ranges=tuple(OffsetRange(topic, *span) for span in spans),
        min_timestamp_ms=earliest_ms,
        max_timestamp_ms=latest_ms,
    )
    if not file.ranges:
        raise ValueError("no ranges")
    return Footer(
        job=facts["loader.job"],
        job_id=facts["loader.job_id"],
        cluster_id=facts["loader.cluster_id"],
        run_id=facts["loader.run_id"],
        topic_id=facts["loader.topic_id"],
        file=file,
        named_path=facts["loader.path"],
        share=_share(facts["loader.share"]) if "loader.share" in facts else None,
        columns=columns,
        carried=tuple(map(decode_loaded_range, json.loads(facts.get("loader.carried", "[]")))),
    )


def _share(text: str) -> Share:
    document = json.loads(text)
    return Share(tuple(map(decode_loaded_range, document["ranges"])), document["file_count"])
