"""What every test may ask for: a real Kafka, topics of its own, a real HDFS, a registry, a Spark.

Each server starts when the first test asks for it, and serves the whole session: tests share it, so a test
works on topics and folders of its own, and one that stops, kills or fills a server makes its own cluster
from `local_services`.
"""

import itertools
import os
import re
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from local_services.hdfs import HdfsCluster
from local_services.java import FAST_START_OPTIONS
from local_services.kafka import KafkaCluster
from local_services.registry import SchemaRegistry

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """One node that answers; shared, so leave it running."""
    properties = {
        # Compaction and retention would begin after 30 s, and look again after 15 s and 5 min.
        "log.initial.task.delay.ms": "500",
        "log.cleaner.backoff.ms": "500",
        "log.retention.check.interval.ms": "1000",
        # Records here are of any date: only a topic whose own config says so may lose them to their age.
        "log.retention.ms": "-1",
    }
    with KafkaCluster(tmp_path_factory.mktemp("kafka"), properties=properties) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def hdfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HdfsCluster]:
    """One NameNode and one DataNode; shared, so leave them running."""
    with HdfsCluster(tmp_path_factory.mktemp("hdfs")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SchemaRegistry]:
    """A schema registry; shared, so leave it running, and register under subjects of your own."""
    with SchemaRegistry(tmp_path_factory.mktemp("registry")) as service:
        yield service


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator["SparkSession"]:
    """Spark with two cores, in UTC, on 127.0.0.1; reads and writes file:// and hdfs:// by full address."""
    # Imported late: most tests need no Spark, and importing it takes long.
    from pyspark.sql import SparkSession

    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    folder = tmp_path_factory.mktemp("spark")
    session = (
        SparkSession.builder.master("local[2]")
        .appName("tests")
        .config("spark.ui.enabled", False)
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        .config(
            "spark.driver.extraJavaOptions",
            " ".join(["-Duser.timezone=UTC", "-XX:-UsePerfData", *FAST_START_OPTIONS]),
        )
        .config("spark.sql.shuffle.partitions", 2)
        .config("spark.local.dir", str(folder))
        .config("spark.sql.warehouse.dir", str(folder / "warehouse"))
        # Spark sees no configuration of the HDFS here; by default it would ask for three copies.
        .config("spark.hadoop.dfs.replication", 1)
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("WARN")
    yield session
    session.stop()


class NewTopicFunction(Protocol):
    """`new_topic()`, with a name, partitions and config where the test needs them."""

    def __call__(
        self, name: str | None = None, *, partitions: int = 1, config: Mapping[str, str] | None = None
    ) -> str: ...


_topic_numbers = itertools.count(1)


@pytest.fixture
def new_topic(kafka: KafkaCluster, request: pytest.FixtureRequest) -> NewTopicFunction:
    """Creates a topic on the shared Kafka, and returns its name once every partition has a leader.

    The name is unique and says which test made it; a test that needs one of its own gives `name`.
    """
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})

    def create(
        name: str | None = None, *, partitions: int = 1, config: Mapping[str, str] | None = None
    ) -> str:
        if name is None:
            # Dots and underscores out: a cluster refuses `a_b` beside `a.b`.
            readable = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name).strip("-")[:100]
            name = f"{readable}-{next(_topic_numbers)}"
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config or {}))
        admin.create_topics([topic])[name].result(timeout=30)
        _wait_for_leaders(admin, name, partitions)
        return name

    return create


def _wait_for_leaders(admin: AdminClient, topic: str, partitions: int, deadline_s: float = 30) -> None:
    give_up = time.monotonic() + deadline_s
    while True:
        known = admin.list_topics(topic, timeout=10).topics[topic].partitions
        if len(known) == partitions and all(partition.leader >= 0 for partition in known.values()):
            return
        assert time.monotonic() < give_up, f"{topic} has no leaders for {partitions} partitions: {known}"
        time.sleep(0.05)
