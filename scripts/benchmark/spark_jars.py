"""The jars of Spark's own Kafka source and of its Avro and Protobuf functions.

As `--packages` would bring them, less what pyspark holds already.
"""

from pathlib import Path

from local_services.artifacts import Artifact, fetch

SPARK_KAFKA_SOURCE = Artifact(
    "spark-kafka-avro-protobuf",
    # Of the minor version of pyspark. Its artifacts are complete for 4.2.0, not for every patch of it.
    "4.2.0",
    (
        ("org.apache.spark", "spark-sql-kafka-0-10_2.13", "4.2.0"),
        ("org.apache.spark", "spark-avro_2.13", "4.2.0"),
        ("org.apache.spark", "spark-protobuf_2.13", "4.2.0"),
    ),
    excluded_names=(
        *("hadoop-client-api", "hadoop-client-runtime", "jsr305", "lz4-java", "scala-library"),
        *("scala-parallel-collections_2.13", "slf4j-api", "snappy-java", "spark-tags_2.13", "zstd-jni"),
    ),
)


def spark_jars() -> list[Path]:
    """Fetched when this machine does not have them yet."""
    return sorted(fetch(SPARK_KAFKA_SOURCE).glob("*.jar"))
