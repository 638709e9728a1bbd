"""The columns that one run writes the rows of a topic with."""

from dataclasses import replace

from loader.formats.arrow_types import columns_of, schema_of
from loader.formats.evolution import merged
from loader.formats.record_formatter import typed_schema
from loader.formats.times import require_time_column
from loader.formats.topic_format import TopicFormat
from loader.values.column_types import StructType


def with_table_columns(topic: str, topic_format: TopicFormat, known: StructType | None) -> TopicFormat:
    """The format, with the columns of the topic's table: those it has, grown by what the format gives.

    known  as the newest commit has them, or those of raw rows where there are such; None before the first row

    Raises ConfigError for names that no column can have and for a time that is no column, SchemaChanged for
    columns that do not fit to those that are known. Rows of a raw topic are as Kafka has them in any case: it
    has a table only where typed rows of it are there.
    """
    if topic_format.is_raw and known is None:
        return topic_format
    known_schema = None if known is None else schema_of(known)
    own_schema = typed_schema(topic, topic_format)
    require_time_column(topic, topic_format.times, own_schema)
    table = merged(known_schema, own_schema, topic, topic_format.schema_ids)
    return replace(topic_format, columns=columns_of(table))
