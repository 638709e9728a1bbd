"""`groups`: members, positions and lag as librdkafka's admin client has them, and what is not to be had."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaError,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from kafka import errors as kafka_errors
from kafka.protocol.admin.groups import DescribeGroupsResponse, ListGroupsResponse

from loader.cli.groups import compact
from loader.kafka_source import groups as asking
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.groups import ListedGroup
from loader.operations.live import groups as operation
from loader.values import TopicPartition as Partition
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction
from tests.kafka_source.asking import count_requests, delete_records

from .conftest import NewJobFunction
from .jobs import kafka_loader
from .producing import ends_of, messages, produce, wait_until


def look(kafka: KafkaCluster, *arguments: str) -> Any:
    """The one group that a `groups` command tells of; it must end with 0."""
    ended = kafka_loader("groups", *arguments, "--bootstrap-servers", kafka.bootstrap_servers, "--json")
    assert (ended.status, ended.errors) == (0, "")
    assert ended.document["cluster_id"] == kafka.cluster_id
    (group,) = ended.document["groups"]
    return group


def admin_of(kafka: KafkaCluster) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})


@contextmanager
def members(
    kafka: KafkaCluster, protocol: str, group: str, topic: str, count: int
) -> Iterator[list[Consumer]]:
    """Consumers that have joined a group and share the partitions of a topic."""
    common = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "group.id": group,
        "group.protocol": protocol,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "log_level": 0,
        # How soon the first member hears of the second one; the newer protocol leaves that to the broker.
        **({"heartbeat.interval.ms": 200} if protocol == "classic" else {}),
    }
    consumers = [Consumer({**common, "client.id": f"client-{number}"}) for number in range(count)]
    try:
        for consumer in consumers:
            consumer.subscribe([topic])
        give_up = time.monotonic() + 60
        while not all(consumer.assignment() for consumer in consumers):
            assert time.monotonic() < give_up, "the members got no partitions"
            for consumer in consumers:
                message = consumer.poll(0.05)
                error = message.error() if message else None
                assert error is None or error.code() == KafkaError._PARTITION_EOF, error
        admin = admin_of(kafka)

        def state() -> Any:
            return admin.describe_consumer_groups([group])[group].result(30).state

        wait_until(lambda: state() == ConsumerGroupState.STABLE, f"{group} to be stable")
        yield consumers
    finally:
        for consumer in consumers:
            consumer.close()


def commit(kafka: KafkaCluster, group: str, offsets: dict[tuple[str, int], int]) -> None:
    """Commit without joining, as batch jobs do."""
    admin = admin_of(kafka)
    places = [TopicPartition(topic, number, offset) for (topic, number), offset in offsets.items()]
    request = ConsumerGroupTopicPartitions(group, places)
    admin.alter_consumer_group_offsets([request])[group].result(30)


# A second member of the newer protocol would wait until the first one's next heartbeat, 5 s later.
@pytest.mark.parametrize(("protocol", "count"), [("classic", 2), ("consumer", 1)])
def test_members_positions_and_lag_are_those_that_librdkafka_tells(
    protocol: str, count: int, kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic(partitions=4)
    for number in range(3):
        produce(kafka, topic, messages(10 * (number + 1), partition=number))
    group = f"group-of-{topic}"
    with members(kafka, protocol, group, topic, count) as consumers:
        owner = next(each for each in consumers if any(of.partition == 2 for of in each.assignment()))
        owner.commit(offsets=[TopicPartition(topic, 2, 12)], asynchronous=False)
        admin = admin_of(kafka)

        found, listed = look(kafka, "show", group), look(kafka, group)
        text = kafka_loader("groups", "show", group, "-b", kafka.bootstrap_servers).output
        described: Any = admin.describe_consumer_groups([group])[group].result(30)
        request = ConsumerGroupTopicPartitions(group)
        committed = admin.list_consumer_group_offsets([request])[group].result(30).topic_partitions

    assert (found["kind"], found["state"], found["assignor"]) == (
        protocol,
        "Stable",
        described.partition_assignor,
    )
    assert found["coordinator_id"] == described.coordinator.id
    assert {
        (
            each["member_id"],
            each["client_id"],
            each["host"],
            tuple((of["topic"], of["partition"]) for of in each["partitions"]),
        )
        for each in found["members"]
    } == {
        (
            each.member_id,
            each.client_id,
            each.host.lstrip("/"),
            tuple(sorted((of.topic, of.partition) for of in each.assignment.topic_partitions)),
        )
        for each in described.members
    }
    owners = {
        of.partition: each.member_id for each in described.members for of in each.assignment.topic_partitions
    }
    positions = {(each.topic, each.partition): each.offset for each in committed}
    assert positions == {(topic, 2): 12}
    assert [
        (each["partition"], each["next_offset"], each["end_offset"], each["lag_offsets"], each["member_id"])
        for each in found["positions"]
    ] == [
        (
            number,
            positions.get((topic, number)),
            ends_of(kafka, topic, number).high_watermark,
            lag,
            owners[number],
        )
        for number, lag in enumerate([None, None, 18, None])
    ]
    assert (listed["member_count"], listed["lag_offsets"], listed["partitions_without_lag"]) == (count, 18, 3)
    assert listed["topics"] == [topic]
    told = (
        f"protocol {protocol} ({described.partition_assignor}), {count} member{'s'[: count - 1]}, 18 offsets"
    )
    assert f"{told} behind, without 3 partitions of unknown position or end\n" in text
    assert {line.split()[0] for line in text.splitlines() if line.startswith("client-")} == {
        f"client-{number}" for number in range(count)
    }


def test_a_group_without_members_keeps_its_positions_and_deleted_offsets_are_told(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic, other = new_topic(partitions=2), new_topic()
    produce(kafka, topic, messages(10) + messages(10, partition=1))
    produce(kafka, other, messages(3))
    group = f"batch-{topic}"
    commit(kafka, group, {(topic, 0): 4, (topic, 1): 10, (other, 0): 0})
    delete_records(kafka, topic, 7)

    found, listed = look(kafka, "show", group), look(kafka, f"{group[:-2]}.*")
    text = kafka_loader("groups", "show", group, "--config", str(new_job(topic).config))
    table = kafka_loader("groups", group, "--config", str(new_job(topic).config))

    expected = sorted([(topic, 0, 4, 7, 10, 6, 3), (topic, 1, 10, 0, 10, 0, 0), (other, 0, 0, 0, 3, 3, 0)])
    keys = (
        "topic",
        "partition",
        "next_offset",
        "begin_offset",
        "end_offset",
        "lag_offsets",
        "deleted_offsets",
    )
    assert [tuple(each[key] for key in keys) for each in found["positions"]] == expected
    assert (found["state"], found["members"], found["lag_offsets"]) == ("Empty", [], 9)
    assert (listed["group"], listed["lag_offsets"], listed["deleted_offsets"]) == (group, 9, 3)
    assert text.errors == (f"{topic}-0: 3 offsets deleted before the group read them: the log begins at 7\n")
    assert f"{topic}-0         4   10    6  -" in text.output
    row = table.output.splitlines()[1].split()
    assert row == [group, "classic", "Empty", "0", "9", *f"{min(topic, other)}, {max(topic, other)}".split()]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["show", "{}x"],
            "{}x: the cluster has no such group, or none that this user may describe; did you mean",
        ),
        (["{}x"], "no group matches '{}x', a regular expression for the whole name; did you mean {}?"),
    ],
)
def test_a_group_that_is_not_there_ends_with_2_and_the_nearest_names(
    arguments: list[str], said: str, kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    commit(kafka, "nearest-group", {(topic, 0): 0})

    ended = kafka_loader(
        "groups", *(each.replace("{}", "nearest-group") for each in arguments), "-b", kafka.bootstrap_servers
    )

    assert ended.status == 2
    assert said.replace("{}", "nearest-group") in ended.errors


def test_what_kafka_python_cannot_ask_of_a_kind_of_groups_is_said(
    kafka: KafkaCluster, new_topic: NewTopicFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(5))
    group = f"of-another-kind-{topic}"
    commit(kafka, group, {(topic, 0): 2})
    listed = asking.list_groups

    def as_kind(kind: str) -> Any:
        def list_groups(*arguments: Any) -> tuple[dict[str, ListedGroup], dict[int, str]]:
            groups, away = listed(*arguments)
            return {group: replace(groups[group], kind=kind, protocol_type=kind)}, away

        return list_groups

    documents = {}
    for kind in ("share", "streams"):
        monkeypatch.setattr(operation, "list_groups", as_kind(kind))
        ended = kafka_loader("groups", "show", group, "-b", kafka.bootstrap_servers, "--json")
        assert ended.status == 0
        documents[kind] = ended.document
        text = kafka_loader("groups", "-b", kafka.bootstrap_servers)
        assert text.output.splitlines()[1].split()[:4] == [group, kind, "Empty", "?"]

    share, streams = documents["share"], documents["streams"]
    assert share["notes"] == [
        f"{group}: members and positions are not shown: kafka-python cannot ask for those of share groups"
    ]
    assert (share["groups"][0]["members"], share["groups"][0]["positions"]) == (None, None)
    assert streams["notes"] == [
        f"{group}: members are not shown: kafka-python cannot ask for those of streams groups"
    ]
    assert (streams["groups"][0]["members"], streams["groups"][0]["lag_offsets"]) == (None, 3)


def test_a_coordinator_that_does_not_answer_is_told_and_the_other_groups_shown(
    kafka: KafkaCluster, new_topic: NewTopicFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = new_topic()
    group = f"there-{topic}"
    commit(kafka, group, {(topic, 0): 0})
    listed = asking.list_groups
    away = {9: "broker 9 (gone:9092): KafkaTimeoutError()"}
    monkeypatch.setattr(operation, "list_groups", lambda *arguments: (listed(*arguments)[0], away))

    shown, hidden = (
        kafka_loader("groups", "show", name, "-b", kafka.bootstrap_servers)
        for name in (group, "perhaps-there")
    )
    all_groups = kafka_loader("groups", group, "-b", kafka.bootstrap_servers, "--json")

    said = "the groups that one broker coordinates are missing: no answer: broker 9 (gone:9092)"
    assert (shown.status, hidden.status, all_groups.status) == (0, 3, 3)
    assert said in hidden.errors
    assert [each["group"] for each in all_groups.document["groups"]] == [group]
    assert all_groups.document["unanswered"] == [f"{said}: KafkaTimeoutError()"]


def test_a_coordinator_that_is_loading_or_has_lost_a_group_is_told_with_what_is_known(
    kafka: KafkaCluster, new_topic: NewTopicFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(5))
    group = f"moving-{topic}"
    commit(kafka, group, {(topic, 0): 1})
    ask_each = KafkaClient.ask_each

    def answer_with(response_type: Any, error: Any) -> None:
        def wrong(self: KafkaClient, *arguments: Any) -> dict[int | None, Any]:
            answers = ask_each(self, *arguments)
            for answer in answers.values():
                if isinstance(answer, response_type):
                    for each in answer.groups if response_type is DescribeGroupsResponse else [answer]:
                        each.error_code = error.errno
            return answers

        monkeypatch.setattr(KafkaClient, "ask_each", wrong)

    answer_with(ListGroupsResponse, kafka_errors.CoordinatorLoadInProgressError)
    loading = kafka_loader("groups", "-b", kafka.bootstrap_servers)
    answer_with(DescribeGroupsResponse, kafka_errors.NotCoordinatorError)
    lost = kafka_loader("groups", "show", group, "-b", kafka.bootstrap_servers, "--json")

    broker = f"broker 1 ({kafka.nodes[0].address})"
    assert (loading.status, lost.status) == (3, 3)
    assert f"no answer: {broker}: " in loading.errors
    assert "CoordinatorLoadInProgressError" in loading.errors
    (found,) = lost.document["groups"]
    assert lost.document["unanswered"] == [f"{group}: no answer: {broker}: NotCoordinatorError"]
    assert (found["members"], found["member_count"], found["lag_offsets"]) == (None, None, 4)


def test_a_group_of_any_name_is_shown_without_steering_the_terminal(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    group = "etl[red]:key:\x1b[31m"
    commit(kafka, group, {(new_topic(), 0): 0})

    text = kafka_loader("groups", r"etl\[red.*", "-b", kafka.bootstrap_servers).output
    shown = kafka_loader("groups", "show", group, "-b", kafka.bootstrap_servers).output

    assert text.splitlines()[1].startswith("etl[red]:key:\\x1b[31m ")
    assert shown.startswith("group etl[red]:key:\\x1b[31m, Empty")
    assert look(kafka, "show", group)["group"] == group


def test_asking_for_more_groups_takes_no_more_requests(
    kafka: KafkaCluster, new_topic: NewTopicFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = [new_topic(partitions=2) for _ in range(3)]
    for number, topic in enumerate(topics):
        commit(kafka, f"counted-{number}", {(topic, 0): 0, (topic, 1): 0})
    requests = count_requests(monkeypatch)

    sent = []
    for pattern, names in (("counted-0", 1), ("counted-.", 3)):
        requests.clear()
        ended = kafka_loader("groups", pattern, "-b", kafka.bootstrap_servers, "--json")
        assert len(ended.document["groups"]) == names
        sent.append(list(requests))

    assert sent[0] == sent[1]


def test_partitions_are_told_in_few_words() -> None:
    partitions = [Partition("b", 0), *(Partition("a", number) for number in (5, 0, 2, 1, 7, 8))]

    assert compact(partitions) == "a 0-2 5 7-8, b 0"
    assert compact([]) == ""
