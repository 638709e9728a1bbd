"""How the rows of each topic of a run are made, worked out once for all its tasks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from loader.errors import ConfigError, PathNotFound, PersonDecides
from loader.formats.arrow_types import columns_of
from loader.formats.table_columns import with_table_columns
from loader.formats.times import RowTimes, row_times
from loader.formats.topic_format import TopicFormat
from loader.operations.formats import resolve_formats
from loader.operations.job import Job
from loader.operations.plan import holds_files
from loader.records.schema import RAW_SCHEMA
from loader.values import DataFile, Split, layout
from loader.values.column_types import StructType


@dataclass(frozen=True, slots=True)
class RowFormats:
    """What tasks are told, and of which topics nothing can be loaded.

    formats          of the topics whose rows are not left as they are
    failures         topics whose schemas are not to be had, or whose rows no table can hold, and why
    max_bad_records  how many records that cannot be decoded each topic may have
    """

    formats: Mapping[str, TopicFormat]
    failures: Mapping[str, tuple[Exception, ...]]
    max_bad_records: Mapping[str, float]

    def kept(self, splits: Iterable[Split]) -> list[Split]:
        """The splits without the topics that failed."""
        kept = [
            replace(split, ranges=tuple(each for each in split.ranges if each.topic not in self.failures))
            for split in splits
        ]
        return [split for split in kept if split.ranges]

    def columns(self, known: Mapping[str, StructType], files: Iterable[DataFile]) -> dict[str, StructType]:
        """The columns of each topic's table once these files are committed."""
        written = {file.ranges[0].topic for file in files if not file.is_quarantine}
        formats = {topic: each for topic, each in self.formats.items() if topic in written}
        grown = {topic: each.columns for topic, each in formats.items() if each.columns is not None}
        return {**known, **grown}


def row_formats(
    job: Job, topics: Iterable[str], known: Mapping[str, StructType], load_time_ms: int
) -> RowFormats:
    """The formats of some topics, with the columns of their tables.

    known         the columns of each table as the newest commit has them
    load_time_ms  when the run began
    """
    as_they_are = TopicFormat(times=RowTimes(load_time_ms=load_time_ms))
    formats: dict[str, TopicFormat] = {}
    limits: dict[str, float] = {}
    all_resolved = resolve_formats(job, sorted(topics))
    failures: dict[str, tuple[Exception, ...]] = {
        topic: (error,) for topic, error in all_resolved.failures.items()
    }
    for topic, resolved in all_resolved.formats.items():
        config = job.config.topic_config(topic)
        times = as_they_are.times
        if config is not None:
            times = row_times(config, load_time_ms)
            limits[topic] = config.max_bad_records
        try:
            columns = known.get(topic) or _columns_of_raw_rows(job, topic, resolved)
            topic_format = with_table_columns(topic, replace(resolved, times=times), columns)
        except (ConfigError, PersonDecides) as error:
            failures[topic] = (error,)
            continue
        if topic_format != as_they_are:
            formats[topic] = topic_format
    return RowFormats(formats, failures, limits)


def _columns_of_raw_rows(job: Job, topic: str, topic_format: TopicFormat) -> StructType | None:
    """Of a topic that gets a format only now: its older rows are in the same folders, as Kafka has them.

    No commit tells of these columns. The files do: another job's would have stopped the plan.
    """
    if topic_format.is_raw:
        return None
    try:
        return columns_of(RAW_SCHEMA) if holds_files(job, layout.topic_folder(topic)) else None
    except PathNotFound:
        return None
