"""The one schema that all files of a topic can be read by, however its records changed meanwhile.

Readers that look at one file only, as Spark does by default, see the columns of that file's day. The ledger
knows them all.
"""

import pyarrow as pa

from loader.commits.log import CommitLog
from loader.errors import ConfigError
from loader.formats.arrow_types import columns_of, schema_of
from loader.records.schema import RAW_SCHEMA
from loader.storage.protocol import Storage
from loader.values.column_types import (
    ColumnType,
    DecimalType,
    ListType,
    MapType,
    Primitive,
    StructType,
    TimestampType,
)

_SPARK_NAMES = {
    "boolean": "BOOLEAN",
    "int": "INT",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "string": "STRING",
    "binary": "BINARY",
    "date": "DATE",
    "time": "BIGINT",
    "timestamp_ntz": "TIMESTAMP_NTZ",
}


def table_schema(storage: Storage, job: str, topic: str) -> pa.Schema:
    """The columns of a topic's table, without those of its folders. Raises ConfigError for an unknown topic.

    A file may lack columns of it, and have an int or float where it says long or double.
    """
    newest = CommitLog(storage, job).newest()
    if newest is not None and topic in newest.columns:
        return schema_of(newest.columns[topic])
    if newest is not None and topic in newest.position.topics:
        return RAW_SCHEMA
    raise ConfigError([f"job {job} has loaded nothing of {topic} into {storage.url}"])


def spark_ddl(schema: pa.Schema) -> str:
    """The same for `spark.read.schema(…)`. Raises ValueError for a type that no column of this loader has.

    A time of day is its microseconds: Spark's own type for it is off by default, and without a schema Spark
    does not read the file at all.
    """
    return ", ".join(f"{_quoted(name)} {_spark_type(each)}" for name, each in columns_of(schema).fields)


def _spark_type(column_type: ColumnType) -> str:
    match column_type:
        case Primitive(name):
            return _SPARK_NAMES[name]
        case TimestampType():
            return "TIMESTAMP"
        case DecimalType(precision, scale):
            return f"DECIMAL({precision}, {scale})"
        case ListType(element):
            return f"ARRAY<{_spark_type(element)}>"
        case MapType(key, value):
            return f"MAP<{_spark_type(key)}, {_spark_type(value)}>"
        case StructType(fields):
            return f"STRUCT<{', '.join(f'{_quoted(name)}: {_spark_type(each)}' for name, each in fields)}>"


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
