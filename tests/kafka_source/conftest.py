"""A client of the shared Kafka, and a Kafka that may be stopped."""

from collections.abc import Iterator

import pytest

from loader.kafka_source.client import KafkaClient
from local_services.kafka import KafkaCluster

from .asking import settings


@pytest.fixture
def client(kafka: KafkaCluster) -> Iterator[KafkaClient]:
    """Connected to the shared Kafka."""
    with KafkaClient(settings(kafka.bootstrap_servers)) as client:
        client.connect(30_000)
        yield client


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """One node that tests of this module stop, pause and start again."""
    with KafkaCluster(tmp_path_factory.mktemp("own-kafka")) as cluster:
        yield cluster
