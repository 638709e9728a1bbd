"""Columns for a topic of JSON, proposed from a sample of its newest records. Writes nothing."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from loader.errors import AccessDenied, BrokerUnavailable, ConfigError
from loader.formats.json.infer import InferredField, infer_fields
from loader.formats.json.sampling import look_at
from loader.formats.json.spec import REST_COLUMN, JsonSpec
from loader.formats.names import KAFKA, TAKEN
from loader.formats.protocol import NoSchemas
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.metadata import read_listing
from loader.kafka_source.reader import RangeReader
from loader.kafka_source.settings import KafkaSettings
from loader.kafka_source.watermarks import read_bounds
from loader.operations.live.log_parts import decoded_parts
from loader.planning.bounds import TopicBounds
from loader.values import LostOffsets, OffsetRange
from loader.values.column_types import StructType

SAMPLE_BYTES = 256 * 1024 * 1024
"""Of all sampled values together: records may be large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inferred:
    """What a topic's JSON looks like.

    record_count     how many records were sampled
    partition_count  from how many partitions
    null_count       how many of their values were null
    other_count      how many were no JSON object
    fields           of the objects, by name
    left_out         fields that cannot be columns, and why: they are kept in `_rest`
    rename           names for those that cannot be columns under their own
    bad_count        how many of the sampled records these columns would send to the quarantine
    bad_texts        what is wrong with the first of them
    """

    topic: str
    record_count: int
    partition_count: int
    null_count: int
    other_count: int
    fields: Mapping[str, InferredField]
    left_out: Mapping[str, str]
    rename: Mapping[str, str]
    bad_count: int
    bad_texts: tuple[str, ...]

    @property
    def columns(self) -> StructType:
        """Of the fields that become columns."""
        return _columns(self.fields, self.left_out)


def infer_topic(settings: KafkaSettings, topic: str, sample: int) -> Inferred:
    """Propose columns from up to `sample` of the newest records, of all partitions alike.

    Raises ConfigError for a topic that is not there, or that has no field to make a column of, AccessDenied,
    and RunAgainLater where brokers do not answer.
    """
    values, partition_count = _sample(settings, topic, sample)
    looked = look_at(value for part in values for value in part.to_pylist())
    fields = infer_fields(looked)
    left_out, rename = _names(fields)
    columns = _columns(fields, left_out)
    if not columns.fields:
        raise ConfigError(
            [f"{topic}: none of {sum(map(len, values))} sampled records has a field that can be a column"]
        )
    decoder = JsonSpec(columns).decoder(NoSchemas())
    bad = [decoder.decode(part).bad for part in values]
    texts = [text for each in bad for text in each.error_texts.slice(0, 3).to_pylist()]
    return Inferred(
        topic=topic,
        record_count=sum(map(len, values)),
        partition_count=partition_count,
        null_count=looked.null_count,
        other_count=looked.other_count,
        fields=fields,
        left_out=left_out,
        rename=rename,
        bad_count=sum(map(len, bad)),
        bad_texts=tuple(texts[:3]),
    )


def _columns(fields: Mapping[str, InferredField], left_out: Mapping[str, str]) -> StructType:
    return StructType(
        tuple(
            (name, each.column_type)
            for name, each in fields.items()
            if each.column_type is not None and name not in left_out
        )
    )


def _names(fields: Mapping[str, InferredField]) -> tuple[dict[str, str], dict[str, str]]:
    """Which fields cannot be columns, and new names for those that can under another."""
    left_out: dict[str, str] = {}
    rename: dict[str, str] = {}
    taken = {KAFKA, *TAKEN, REST_COLUMN}
    for name, each in fields.items():
        if not name or name == REST_COLUMN:
            left_out[name] = "no column can have its name"
        elif each.column_type is None:
            left_out[name] = each.hints[-1].removeprefix("is left out").lstrip(":, ")
        elif name.casefold() in taken:
            rename[name] = _free_name(f"{name}_of_value", {*taken, *(other.casefold() for other in fields)})
            taken.add(rename[name].casefold())
        else:
            taken.add(name.casefold())
    return left_out, rename


def _free_name(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 2
    while name.casefold() in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name


def _sample(settings: KafkaSettings, topic: str, sample: int) -> tuple[list[pa.BinaryArray], int]:
    with KafkaClient(settings) as client:
        client.connect(settings.request_timeout_ms)
        listing = read_listing(client, [topic], ())
        if topic in listing.denied:
            raise AccessDenied(
                f"{topic}: this user may not describe the topic. Give it DESCRIBE and READ on it."
            )
        if topic not in listing.topics:
            raise ConfigError([f"{topic}: the cluster has no such topic"])
        deadline_s = time.monotonic() + settings.request_timeout_ms / 1000
        bounds = read_bounds(client, listing, deadline_s)[topic]
        if bounds.unlisted and not bounds.partitions:
            raise BrokerUnavailable(f"{topic}: no partition answered: {next(iter(bounds.unlisted.values()))}")
        ranges = _ranges(bounds, settings.isolation, sample)
        reader = RangeReader(client, loss_allowed=True)  # what was deleted meanwhile is no part of a sample
        values: list[pa.BinaryArray] = []
        for wanted in ranges:
            values += _read(reader, wanted, bounds.topic_id, settings, SAMPLE_BYTES // len(ranges))
    return values, len(ranges)


def _ranges(bounds: TopicBounds, isolation: str, sample: int) -> list[OffsetRange]:
    """The newest offsets of each partition; what small ones lack, larger ones have more of."""
    ends = {number: each.end_offset(isolation) for number, each in bounds.partitions.items()}
    sizes = {number: ends[number] - each.log_start_offset for number, each in bounds.partitions.items()}
    ranges: list[OffsetRange] = []
    rest = sample
    wanted = sorted((size, number) for number, size in sizes.items() if size > 0)
    for index, (size, number) in enumerate(wanted):
        count = min(size, -(-rest // (len(wanted) - index)))
        if count > 0:
            ranges.append(OffsetRange(bounds.name, number, ends[number] - count, ends[number]))
        rest -= count
    return ranges


def _read(
    reader: RangeReader, wanted: OffsetRange, topic_id: str, settings: KafkaSettings, size_limit: int
) -> list[pa.BinaryArray]:
    """The values of a range, of its beginning where they are large."""
    values: list[pa.BinaryArray] = []
    size = 0
    for part in decoded_parts(reader, wanted, topic_id, settings.isolation):
        if isinstance(part, LostOffsets):
            continue
        values.append(part.rows.column("value"))
        size += values[-1].nbytes
        if size >= size_limit:
            break
    return values
