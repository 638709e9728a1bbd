"""The jars of Spark's own Kafka source and Avro functions, as `--packages` would bring them.

Less what pyspark holds already.
"""

from pathlib import Path

from local_services.artifacts import Artifact, fetch

SPARK_KAFKA_SOURCE = Artifact(
    "spark-kafka-source",
    # Of the minor version of pyspark. Its artifacts are complete for 4.2.0, not for every patch of it.
    "4.2.0",
    (("org.apache.spark", "spark-sql-kafka-0-10_2.13", "4.2.0"),),
    excluded_names=(
        *("hadoop-client-api", "hadoop-client-runtime", "jsr305", "lz4-java", "scala-library"),
        *("scala-parallel-collections_2.13", "slf4j-api", "snappy-java", "spark-tags_2.13", "zstd-jni"),
    ),
)

SPARK_AVRO = Artifact(
    "spark-avro",
    "4.1.1",  # Not every repository has it for 4.2 yet; this one works with it.
    (("org.apache.spark", "spark-avro_2.13", "4.1.1"),),
    excluded_names=("scala-library", "scala-parallel-collections_2.13", "spark-tags_2.13", "xz"),
)


def spark_jars() -> list[Path]:
    """Fetched when this machine does not have them yet."""
    return [jar for each in (SPARK_KAFKA_SOURCE, SPARK_AVRO) for jar in sorted(fetch(each).glob("*.jar"))]
