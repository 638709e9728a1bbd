"""Records of live topics as they are shown: decoded where the job names a format, else as produced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from loader.errors import SchemaNotPlanned
from loader.formats.names import KAFKA
from loader.formats.plain_values import Plain, plain_values
from loader.formats.record_formatter import RecordFormatter, typed_schema
from loader.formats.topic_format import TopicFormat
from loader.operations.formats import resolve_formats
from loader.operations.job import Job
from loader.registry.source import schema_source
from loader.values import TopicPartition


@dataclass(frozen=True, slots=True)
class TailRecord:
    """One record.

    timestamp_ms  None for a record without one
    key, value    bytes as produced; where the topic has a format, what they mean: a dict by column for a
                  value with fields. None for a tombstone
    problem       why it could not be decoded, though its topic has a format: then it is shown as produced
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None
    timestamp_type: int
    key: Plain
    value: Plain
    headers: tuple[tuple[str, bytes | None], ...] = ()
    problem: str = ""

    @property
    def topic_partition(self) -> TopicPartition:
        """The partition it is in."""
        return TopicPartition(self.topic, self.partition)


class RecordShaper:
    """Makes records of raw rows.

    job  whose formats decode the records of its topics; None: nothing is decoded

    Raises what `resolve_formats` tells of a topic: ConfigError, UnusableSchema, RegistryUnavailable.
    """

    def __init__(self, topics: Sequence[str], job: Job | None) -> None:
        self._formats: dict[str, TopicFormat] = {}
        self._formatters: dict[str, RecordFormatter] = {}
        self._job = job
        if job is not None:
            for topic in topics:
                self._take_format(job, topic)

    @property
    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """By topic the columns of its values; a topic whose values have none is not in it."""
        return {
            topic: tuple(name for name in typed_schema(topic, each).names if name != KAFKA)
            for topic, each in self._formats.items()
            if _has_fields(each)
        }

    def records(self, rows: pa.RecordBatch) -> list[TailRecord]:
        """The records of raw rows of one topic, in their order. Raises RegistryUnavailable."""
        if not rows.num_rows:
            return []
        topic = rows.column("topic")[0].as_py()
        offsets = rows.column("offset").to_pylist()
        keys, values = rows.column("key").to_pylist(), rows.column("value").to_pylist()
        problems = [""] * len(offsets)
        if topic in self._formatters:
            typed, bad = self._decoded(topic, rows)
            for index, offset in enumerate(offsets):
                if offset in typed:
                    key, value = typed[offset]
                    keys[index] = key
                    values[index] = None if values[index] is None else value
                else:
                    problems[index] = bad[offset]
        times_us = rows.column("timestamp").cast(pa.int64()).to_pylist()
        return [
            TailRecord(
                topic,
                partition,
                offset,
                None if time_us is None else time_us // 1000,
                timestamp_type,
                key,
                value,
                tuple((each["key"], each["value"]) for each in headers or ()),
                problem,
            )
            for partition, offset, time_us, timestamp_type, key, value, headers, problem in zip(
                rows.column("partition").to_pylist(),
                offsets,
                times_us,
                rows.column("timestampType").to_pylist(),
                keys,
                values,
                rows.column("headers").to_pylist(),
                problems,
                strict=True,
            )
        ]

    def _take_format(self, job: Job, topic: str) -> None:
        resolved = resolve_formats(job, [topic])
        for failure in resolved.failures.values():
            raise failure
        topic_format = resolved.formats[topic]
        if topic_format.is_raw:
            return
        self._formats[topic] = topic_format
        self._formatters[topic] = RecordFormatter(topic, topic_format, schema_source(job.registry), "")

    def _decoded(
        self, topic: str, rows: pa.RecordBatch
    ) -> tuple[dict[int, tuple[Plain, Plain]], dict[int, str]]:
        """By offset: key and value of those that could be decoded, and why of the others."""
        try:
            formatted = self._formatters[topic].format(rows)
        except SchemaNotPlanned:
            if self._job is None:
                raise
            self._take_format(self._job, topic)  # registered since this began: now it is known
            formatted = self._formatters[topic].format(rows)
        good = formatted.good
        names = [name for name in good.schema.names if name != KAFKA]
        metadata = good.column(KAFKA)
        columns = [plain_values(good.column(name)) for name in names]
        parts = zip(*columns, strict=True)
        values = (
            [dict(zip(names, each, strict=True)) for each in parts] if self._is_struct(topic) else columns[0]
        )
        offsets = metadata.field("offset").to_pylist()
        typed = dict(zip(offsets, zip(plain_values(metadata.field("key")), values, strict=True), strict=True))
        if formatted.bad is None:
            return typed, {}
        told = formatted.bad.select(["offset", "format", "error_class", "error_text"]).to_pylist()
        bad = {
            each["offset"]: f"{each['format']}: {each['error_class']}: {each['error_text']}" for each in told
        }
        return typed, bad

    def _is_struct(self, topic: str) -> bool:
        return _has_fields(self._formats[topic])


def _has_fields(topic_format: TopicFormat) -> bool:
    return topic_format.value is not None and pa.types.is_struct(topic_format.value.column_type)
