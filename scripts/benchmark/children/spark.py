"""Spark's own Kafka source into Parquet, in a JVM that stays warm."""

import json
import os
import time
from typing import TYPE_CHECKING, Any

from benchmark.children.serving import Load, Turn, serve
from benchmark.encodings import AVRO_SCHEMA, COLUMNS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def load_by_spark(session: "SparkSession", turn: Turn) -> float:
    """Read all topics to their ends, and write them as Parquet; the seconds it took."""
    began_s = time.monotonic()
    rows = (
        session.read.format("kafka")
        .option("kafka.bootstrap.servers", turn.bootstrap_servers)
        .option("subscribe", ",".join(turn.ends))
        .option("startingOffsets", "earliest")
        .option("endingOffsets", "latest")
        .option("kafka.isolation.level", "read_committed")
        .option("includeHeaders", "true")
        .load()
    )
    if turn.format != "raw":
        rows = _typed(rows, turn)
    rows.write.option("compression", "zstd").parquet(f"{turn.output}/spark")
    return time.monotonic() - began_s


def _typed(rows: "DataFrame", turn: Turn) -> "DataFrame":
    """The value's fields as columns, and the rest of the record in one more, as this loader has them."""
    from pyspark.sql import functions as sql
    from pyspark.sql.avro.functions import from_avro

    if turn.format == "json":
        fields = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        value = sql.from_json(sql.col("value").cast("string"), fields)
    else:
        value = from_avro(sql.col("value"), json.dumps(AVRO_SCHEMA))
    record = ("topic", "partition", "offset", "timestamp", "timestampType", "key", "headers")
    return rows.select(value.alias("v"), sql.struct(*record).alias("kafka")).select("v.*", "kafka")


def _prepare(options: dict[str, Any]) -> Load:
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master(f"local[{options['processes']}]")
        .appName("benchmark")
        .config("spark.jars", ",".join(options["jars"]))
        .config("spark.ui.enabled", False)
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.local.dir", options["scratch"])
        .config("spark.sql.warehouse.dir", f"{options['scratch']}/warehouse")
        .config("spark.hadoop.dfs.replication", 1)
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")

    def load_once(turn: Turn) -> dict[str, Any]:
        return {"rows": turn.row_count, "seconds": load_by_spark(session, turn)}

    return load_once


if __name__ == "__main__":
    serve(_prepare)
