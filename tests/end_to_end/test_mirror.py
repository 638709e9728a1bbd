"""The mirror of positions in a consumer group: seen by other clients, never read back, never in the way."""

import socket

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from loader.cli.process import read_job
from loader.operations.watch.mirror import mirror_position
from loader.values import PartitionPosition, Position, TopicPosition
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .conftest import NewJobFunction
from .jobs import kafka_loader
from .producing import messages, produce, wait_until


def committed(kafka: KafkaCluster, group: str, topic: str, partitions: int = 1) -> list[int]:
    """The group's offsets, as any lag tool reads them; -1001 where there is none."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": group, "log_level": 0})
    try:
        places = [TopicPartition(topic, number) for number in range(partitions)]
        return [place.offset for place in consumer.committed(places, timeout=30)]
    finally:
        consumer.close()


@pytest.fixture
def group(request: pytest.FixtureRequest) -> str:
    return f"mirror-{request.node.name}"


def test_after_each_run_the_groups_offsets_are_the_position_of_the_ledger(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, group: str
) -> None:
    topic = new_topic(partitions=2)
    job = new_job(topic, kafka={"mirror_group": group})

    for number, expected in ((10, [10, 3]), (5, [15, 6])):
        produce(kafka, topic, messages(number) + messages(3, partition=1))
        report = job.run()

        assert report["mirror_problem"] is None
        assert committed(kafka, group, topic, 2) == expected


def test_offsets_that_others_put_there_or_delete_change_nothing_that_is_loaded(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, group: str
) -> None:
    topic = new_topic()
    job = new_job(topic, kafka={"mirror_group": group})
    produce(kafka, topic, messages(10))
    job.run()
    other = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": group, "log_level": 0})
    other.commit(offsets=[TopicPartition(topic, 0, 2)], asynchronous=False)
    other.close()

    nothing_new = job.run()

    assert nothing_new["row_count"] == 0
    assert committed(kafka, group, topic) == [10]  # drawn again, though nothing was new
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})
    admin.delete_consumer_groups([group])[group].result(30)
    produce(kafka, topic, messages(5, first=10))
    assert job.run()["mirror_problem"] is None
    assert committed(kafka, group, topic) == [15]
    assert [record.offset for record in job.records()] == list(range(15))


def test_a_group_with_members_is_only_a_warning(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, group: str
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(4))
    member = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": group, "log_level": 0})
    member.subscribe([topic])
    try:
        wait_until(lambda: (member.poll(0.1), bool(member.assignment()))[1], "the member to join")
        job = new_job(topic, kafka={"mirror_group": group})

        ended = kafka_loader("run", str(job.config), "--processes", "1")
    finally:
        member.close()

    assert ended.status == 0
    assert f"position not mirrored to group {group}: {topic}: the group has members" in ended.errors
    assert [record.offset for record in job.records()] == list(range(4))


def test_brokers_that_take_connections_and_stay_silent_are_given_up_at_the_limit(
    new_job: NewJobFunction, group: str
) -> None:
    position = Position({"topic": TopicPosition("id", {0: PartitionPosition(7)})})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        job = new_job("topic", kafka={"bootstrap_servers": [address], "mirror_group": group})

        problem = mirror_position(read_job(job.config), position, limit_s=0.3)

    assert problem is not None
    assert address in problem or "no answer within 0.3 s" in problem
