"""`tail --group`: its members share the partitions; what was shown is committed, and what was not is not."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from loader.config.starts import Latest
from loader.operations.live.tail import TailRequest, open_tail
from loader.operations.live.tail_records import TailRecord
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction
from tests.kafka_source.asking import admin_of, settings

from .jobs import kafka_loader
from .producing import messages, produce, wait_until
from .tailing import take
from .terminals import COMMAND, terminal

PARTITIONS = 4


def shares(kafka: KafkaCluster, group: str) -> list[set[int]]:
    """The partitions of each member, of a group at rest; none while it is not."""
    admin = admin_of(kafka)  # kept: its futures are never done once it is collected
    try:
        found = admin.describe_consumer_groups([group])[group].result(30)
    except KafkaException:  # the broker has only begun to coordinate groups
        return []
    if found.state.name != "STABLE":
        return []
    return sorted(
        ({each.partition for each in one.assignment.topic_partitions} for one in found.members), key=len
    )


def positions(kafka: KafkaCluster, group: str, topic: str, partitions: int) -> dict[int, int]:
    """Where the group goes on, by partition."""
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, each) for each in range(partitions)])
    admin = admin_of(kafka)
    found = admin.list_consumer_group_offsets([asked])[group].result(30)
    return {each.partition: each.offset for each in found.topic_partitions}


def produce_to_each(kafka: KafkaCluster, topic: str, first: int) -> set[tuple[int, str]]:
    """Two records to each partition, in a codec that kafka-python does not know here."""
    for partition in range(PARTITIONS):
        sent = messages(2, partition=partition, first=first)
        produce(kafka, topic, sent, {"compression.type": "zstd"})
    return {(each, f"value {number}") for each in range(PARTITIONS) for number in (first, first + 1)}


class Member:
    """A tail of a group in a process of its own, which writes JSON lines to a file."""

    def __init__(self, kafka: KafkaCluster, topic: str, path: Path) -> None:
        self._path = path
        command = [COMMAND, "tail", topic, "-b", kafka.bootstrap_servers, "--json"]
        with path.open("w") as file:
            self.process = subprocess.Popen([*command, "--group", topic, "--from", "earliest"], stdout=file)

    def shown(self) -> list[tuple[int, str]]:
        """Partition and value of what it has shown."""
        documents: list[Any] = [json.loads(line) for line in self._path.read_text().splitlines()]
        return [(each["partition"], each["value"]) for each in documents]


@contextmanager
def member(kafka: KafkaCluster, topic: str, path: Path) -> Iterator[Member]:
    opened = Member(kafka, topic, path)
    try:
        yield opened
    finally:
        if opened.process.poll() is None:
            opened.process.kill()
        opened.process.wait(30)


def test_members_share_partitions_show_each_record_once_and_give_theirs_back_when_they_leave(
    kafka: KafkaCluster, new_topic: NewTopicFunction, tmp_path: Path
) -> None:
    topic = new_topic(partitions=PARTITIONS)
    everything = produce_to_each(kafka, topic, 0)
    with member(kafka, topic, tmp_path / "a") as a, member(kafka, topic, tmp_path / "b") as b:

        def all_are_shown() -> bool:
            return set(a.shown() + b.shown()) >= everything

        wait_until(lambda: [len(each) for each in shares(kafka, topic)] == [2, 2], "two members")
        wait_until(all_are_shown, "what was there before")
        before = len(a.shown()), len(b.shown())
        everything |= produce_to_each(kafka, topic, 2)
        wait_until(all_are_shown, "what came later")
        later = {partition for partition, _ in a.shown()[before[0] :]}
        others = {partition for partition, _ in b.shown()[before[1] :]}
        b.process.send_signal(signal.SIGTERM)
        assert b.process.wait(30) == 128 + signal.SIGTERM
        # Long before the broker takes a member for dead that says nothing, after 45 s.
        wait_until(lambda: shares(kafka, topic) == [{0, 1, 2, 3}], "one member", deadline_s=20)
        everything |= produce_to_each(kafka, topic, 4)
        wait_until(all_are_shown, "what came last")
        a.process.send_signal(signal.SIGINT)
        assert a.process.wait(30) == 128 + signal.SIGINT

        shown = a.shown() + b.shown()

    assert sorted(shown) == sorted(everything)
    assert sorted((len(later), len(others))) == [2, 2]
    assert later | others == {0, 1, 2, 3}
    assert positions(kafka, topic, topic, PARTITIONS) == dict.fromkeys(range(PARTITIONS), 6)


def test_a_member_that_pauses_stays_one_and_gives_others_their_share(
    kafka: KafkaCluster, new_topic: NewTopicFunction, tmp_path: Path
) -> None:
    topic = new_topic(partitions=PARTITIONS)
    arguments = ("tail", topic, "-b", kafka.bootstrap_servers, "--group", topic, "--from", "earliest")
    with terminal(*arguments) as paused:
        first = produce_to_each(kafka, topic, 0)
        paused.wait_for(f"{topic}-3@1")
        paused.type(" ")
        paused.wait_for("paused, 0 records waiting")
        with member(kafka, topic, tmp_path / "other") as other:
            wait_until(lambda: [len(each) for each in shares(kafka, topic)] == [2, 2], "two members")
            later = produce_to_each(kafka, topic, 2)
            paused.wait_for("paused, 4 records waiting")
            wait_until(lambda: len(other.shown()) == 4, "the other's share")
            theirs = set(other.shown())
            assert "value 2" not in paused.shown
            paused.type(" ")
            for partition, _ in later - theirs:
                paused.wait_for(f"{topic}-{partition}@3")
            paused.type("q")
            assert paused.ended() == 0

            assert len(paused.shown.split("value")) - 1 == len(first) + 4


def test_a_group_goes_on_behind_what_was_shown(kafka: KafkaCluster, new_topic: NewTopicFunction) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))

    def values(count: int) -> list[str]:
        options = ("--group", topic, "--from", "earliest", "--count", str(count), "--json")
        ended = kafka_loader("tail", topic, "-b", kafka.bootstrap_servers, *options)
        assert ended.status == 0, ended.errors
        return [json.loads(line)["value"] for line in ended.output.splitlines()]

    assert values(3) == ["value 0", "value 1", "value 2"]
    assert values(7) == [f"value {number}" for number in range(3, 10)]


def test_what_a_member_took_but_did_not_show_is_shown_to_the_next(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    request = TailRequest(topics=(topic,), begin=Latest(), follows=True, group=topic)
    with open_tail(settings(kafka.bootstrap_servers), request, None) as source:

        def has_begun() -> bool:
            assert source.next() == []
            return positions(kafka, topic, topic, 1) == {0: 0}

        wait_until(has_begun, "the group's first position")
        produce(kafka, topic, messages(1))
        (first,) = take(source, 1)
        produce(kafka, topic, messages(3, first=1))
        taken: list[TailRecord] = []

        def has_taken() -> bool:
            taken.extend(source.next() or [])
            return bool(taken)

        wait_until(has_taken, "records")

    with open_tail(settings(kafka.bootstrap_servers), request, None) as source:
        again = take(source, 3)

    assert (first.value, taken[0].value) == (b"value 0", b"value 1")
    assert [each.value for each in again] == [b"value 1", b"value 2", b"value 3"]
