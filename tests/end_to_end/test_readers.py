"""The files as analysts open them: Spark, DuckDB, pandas and pyarrow, all with one schema."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as t

from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .conftest import NewJobFunction
from .folders import LocalFolder, published_paths
from .producing import HOUR_MS, T0_MS, Message, produce, produce_oddly

KAFKA_SOURCE_SCHEMA = t.StructType(
    [
        t.StructField("key", t.BinaryType()),
        t.StructField("value", t.BinaryType()),
        t.StructField("topic", t.StringType()),
        t.StructField("partition", t.IntegerType()),
        t.StructField("offset", t.LongType()),
        t.StructField("timestamp", t.TimestampType()),
        t.StructField("timestampType", t.IntegerType()),
        t.StructField(
            "headers",
            t.ArrayType(
                t.StructType([t.StructField("key", t.StringType()), t.StructField("value", t.BinaryType())])
            ),
        ),
    ]
)
"""As Spark documents it for `format("kafka")` with includeHeaders."""

T0 = datetime.datetime.fromtimestamp(T0_MS / 1000, datetime.UTC)

Row = tuple[Any, ...]

EXPECTED: list[Row] = [
    (b"key", b"value", 0, T0, [("a", b"1"), ("a", None)]),
    (None, b"", 1, T0 + datetime.timedelta(hours=1), None),
    (b"", None, 2, None, None),
]
"""key, value, offset, timestamp, headers of what every reader must find."""


@pytest.fixture
def topic(kafka: KafkaCluster, new_topic: NewTopicFunction) -> str:
    """The records of EXPECTED."""
    topic = new_topic()
    produce(
        kafka,
        topic,
        [
            Message(b"value", b"key", [("a", b"1"), ("a", None)]),
            Message(b"", None, timestamp_ms=T0_MS + HOUR_MS),
        ],
    )
    produce_oddly(kafka, topic, [Message(None, b"", timestamp_ms=-1)])
    return topic


def spark_rows(frame: DataFrame) -> list[Row]:
    """Rows as tuples. Spark's Python gives times without a zone, of the zone of this process."""
    return [
        (
            None if row.key is None else bytes(row.key),
            None if row.value is None else bytes(row.value),
            row.offset,
            None if row.timestamp is None else row.timestamp.astimezone(datetime.UTC),
            row.headers and [(header.key, header.value and bytes(header.value)) for header in row.headers],
        )
        for row in frame.orderBy("offset").collect()
    ]


def headers_of(headers: Sequence[Any] | None) -> list[tuple[str, bytes | None]] | None:
    return None if headers is None else [(header["key"], header["value"]) for header in headers]


def test_spark_reads_exactly_the_schema_of_its_own_kafka_source(
    topic: str, new_job: NewJobFunction, spark: SparkSession
) -> None:
    job = new_job(topic, write={"partition_by": "none"})
    job.run()

    frame = spark.read.parquet(f"{job.folder.url}/{topic}")

    assert frame.schema == KAFKA_SOURCE_SCHEMA
    assert spark_rows(frame) == EXPECTED


def test_spark_finds_day_and_hour_as_columns_behind_those_of_kafka(
    topic: str, new_job: NewJobFunction, spark: SparkSession
) -> None:
    job = new_job(topic)
    job.run()

    frame = spark.read.parquet(f"{job.folder.url}/{topic}")

    folders = [t.StructField("dt", t.DateType()), t.StructField("hour", t.IntegerType())]
    assert frame.schema == t.StructType([*KAFKA_SOURCE_SCHEMA.fields, *folders])
    assert spark_rows(frame) == EXPECTED
    day = T0.date()
    found = [(row.dt, row.hour) for row in frame.orderBy("offset").collect()]
    assert found == [(day, 10), (day, 11), (None, None)]


@pytest.mark.parametrize("hidden", ["_hidden-from-spark", ".hidden-from-spark-too"])
def test_spark_and_duckdb_see_topics_whose_names_would_hide_a_folder(
    hidden: str,
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    spark: SparkSession,
) -> None:
    topic = new_topic(hidden)
    produce(kafka, topic, [Message(b"value")])
    job = new_job(topic)
    job.run()
    (path,) = published_paths(job.folder)

    by_root = spark.read.option("recursiveFileLookup", True).parquet(job.folder.url)
    by_folder = spark.read.parquet(f"{job.folder.url}/{path.split('/')[0]}")
    by_duckdb = duckdb.read_parquet(f"{_path(job.folder)}/*/dt=*/hour=*/*.parquet")

    assert [row.topic for row in by_root.collect()] == [hidden]
    assert [row.topic for row in by_folder.collect()] == [hidden]
    assert by_duckdb.select("topic").fetchall() == [(hidden,)]


def test_duckdb_reads_the_same_columns_and_rows(topic: str, new_job: NewJobFunction) -> None:
    job = new_job(topic)
    job.run()

    files = f"{_path(job.folder)}/{topic}/**/*.parquet"
    found = duckdb.read_parquet(files, hive_partitioning=True).order('"offset"')

    columns = dict(zip(found.columns, map(str, found.types), strict=True))
    assert columns == {
        "key": "BLOB",
        "value": "BLOB",
        "topic": "VARCHAR",
        "partition": "INTEGER",
        "offset": "BIGINT",
        "timestamp": "TIMESTAMP WITH TIME ZONE",
        "timestampType": "INTEGER",
        "headers": 'STRUCT("key" VARCHAR, "value" BLOB)[]',
        "dt": "DATE",
        "hour": "BIGINT",
    }
    epochs = found.select('key, value, "offset", epoch_ms("timestamp"), headers, dt, hour').fetchall()
    assert [
        (key, value, offset, None if time is None else _moment(time), headers_of(headers))
        for key, value, offset, time, headers, _, _ in epochs
    ] == EXPECTED
    assert [row[-2:] for row in epochs] == [(T0.date(), 10), (T0.date(), 11), (None, None)]


def test_pandas_reads_the_same_columns_and_rows(topic: str, new_job: NewJobFunction) -> None:
    job = new_job(topic, write={"partition_by": "none"})
    job.run()

    found: Any = pd.read_parquet(_path(job.folder) / topic).sort_values("offset")

    assert list(found.columns) == KAFKA_SOURCE_SCHEMA.names
    assert str(found["timestamp"].dtype) == "datetime64[us, UTC]"
    assert [
        (
            row.key,
            row.value,
            row.offset,
            None if pd.isna(row.timestamp) else row.timestamp.to_pydatetime(),
            headers_of(row.headers),
        )
        for row in found.itertuples()
    ] == EXPECTED


def test_pyarrow_reads_the_same_columns_and_rows(topic: str, new_job: NewJobFunction) -> None:
    job = new_job(topic)
    job.run()

    found = ds.dataset(_path(job.folder) / topic, partitioning="hive").to_table().sort_by("offset")

    header = pa.struct([("key", pa.string()), ("value", pa.binary())])
    assert found.schema.equals(
        pa.schema(
            [
                ("key", pa.binary()),
                ("value", pa.binary()),
                ("topic", pa.string()),
                ("partition", pa.int32()),
                ("offset", pa.int64()),
                ("timestamp", pa.timestamp("us", tz="UTC")),
                ("timestampType", pa.int32()),
                ("headers", pa.list_(pa.field("element", header))),
                ("dt", pa.string()),
                ("hour", pa.int32()),
            ]
        )
    )
    assert [
        (row["key"], row["value"], row["offset"], row["timestamp"], headers_of(row["headers"]))
        for row in found.to_pylist()
    ] == EXPECTED
    assert found.column("hour").to_pylist() == [10, 11, None]


def _path(folder: object) -> Path:
    assert isinstance(folder, LocalFolder)
    return folder.path


def _moment(timestamp_ms: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(timestamp_ms / 1000, datetime.UTC)
