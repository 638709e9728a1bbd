"""The same job by every engine, on local storage and on HDFS: equal tables."""

from dataclasses import dataclass

import pyarrow as pa
import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession

from local_services.hdfs import HdfsCluster
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .conftest import NewFolderFunction, NewJobFunction
from .folders import published_paths, read_table
from .jobs import Job, kafka_loader, spark_submit
from .oracle import read_by_librdkafka
from .producing import HOUR_MS, T0_MS, Message, messages, produce
from .records import assert_same_records

ORDER = ["topic", "partition", "offset"]


@dataclass(frozen=True, slots=True)
class Source:
    """Two topics to load, and small splits, so that there is work for several tasks."""

    hot: str
    small: str

    def new_job(self, new_job: NewJobFunction, new_folder: NewFolderFunction, kind: str) -> Job:
        return new_job(self.hot, self.small, folder=new_folder(kind), plan={"target_split_bytes": 300_000})


@pytest.fixture
def source(kafka: KafkaCluster, new_topic: NewTopicFunction) -> Source:
    """Large and small records of two hours, with headers, null and empty fields."""
    source = Source(new_topic(partitions=2), new_topic(partitions=3))
    produce(
        kafka,
        source.hot,
        [
            Message(
                value=None if number % 10 == 0 else b"%d" % number + b"x" * 2_000,
                key=b"" if number % 7 == 0 else b"key %d" % number,
                headers=[("number", b"%d" % number), ("none", None)] if number % 3 == 0 else [],
                timestamp_ms=T0_MS + number % 4 // 2 * HOUR_MS,
                partition=number % 2,
            )
            for number in range(300)
        ],
        {"batch.size": 20_000},
    )
    produce(kafka, source.small, messages(10) + messages(10, partition=2))
    return source


def spark_table(spark: SparkSession, job: Job, topic: str) -> DataFrame:
    """A topic as Spark reads it, with the columns of its folders."""
    return spark.read.parquet(f"{job.folder.url}/{topic}").orderBy(*ORDER)


def test_local_processes_and_spark_write_equal_tables_to_both_storages_and_load_only_what_is_new(
    kafka: KafkaCluster,
    hdfs: HdfsCluster,
    source: Source,
    new_job: NewJobFunction,
    new_folder: NewFolderFunction,
    spark: SparkSession,
) -> None:
    kinds = ["local", "local", "hdfs", "local", "hdfs"]
    one, two, two_hdfs, by_spark, by_spark_hdfs = (
        source.new_job(new_job, new_folder, kind) for kind in kinds
    )

    one.run("--processes", "1")
    two.run("--processes", "2")
    two_hdfs.run("--processes", "2")
    new_job(source.small, folder=by_spark_hdfs.folder).run()
    in_session = kafka_loader("run", str(by_spark.config), "--engine", "spark", "--json")
    submitted = spark_submit(
        str(by_spark_hdfs.config), "--json", environment={"HADOOP_CONF_DIR": str(hdfs.config_folder)}
    )

    assert in_session.status == 0, in_session.errors
    assert submitted.status == 0, submitted.errors
    assert in_session.document["file_count"] > 4
    assert submitted.document["row_count"] == len(read_by_librdkafka(kafka, source.hot)) == 300
    expected = read_by_librdkafka(kafka, source.hot) + read_by_librdkafka(kafka, source.small)
    assert_same_records(one.records(), expected)
    for topic in (source.hot, source.small):
        table = read_table(one.folder, topic)
        for other in (two, two_hdfs, by_spark, by_spark_hdfs):
            assert read_table(other.folder, topic).equals(table, check_metadata=False)
    frame = spark_table(spark, one, source.hot)
    assert_df_equality(frame, spark_table(spark, by_spark, source.hot))
    assert_df_equality(frame, spark_table(spark, by_spark_hdfs, source.hot))
    files = published_paths(by_spark.folder)
    nothing = kafka_loader("run", str(by_spark.config), "--engine", "spark", "--json")
    assert (nothing.status, nothing.document["committed"]) == (0, False)
    assert published_paths(by_spark.folder) == files


def test_a_job_goes_on_by_another_engine(
    kafka: KafkaCluster,
    source: Source,
    new_job: NewJobFunction,
    new_folder: NewFolderFunction,
    spark: SparkSession,
) -> None:
    job = source.new_job(new_job, new_folder, "hdfs")
    job.run("--processes", "2")
    produce(kafka, source.small, messages(10, partition=1))

    report = kafka_loader("run", str(job.config), "--engine", "spark", "--json").document

    assert report["row_count"] == 10
    table: pa.Table = read_table(job.folder, source.small)
    assert table.column("partition").value_counts().to_pylist() == [
        {"values": number, "counts": 10} for number in range(3)
    ]
    assert spark.read.parquet(f"{job.folder.url}/{source.small}").count() == 30
