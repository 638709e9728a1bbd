"""Brokers die, hang, come back, lose what they had, or send their clients to where nobody is."""

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from loader.errors import BrokerUnavailable
from loader.kafka_source.patience import Patience
from loader.kafka_source.reader import RangeReader
from loader.operations.listening import Step
from loader.values import OffsetRange
from local_services.kafka import KafkaCluster, KafkaNode
from local_services.ports import choose_ports
from tests.kafka_source.asking import settings
from tests.task.jobs import a_task, run

from .crashes import Interruption
from .folders import LocalFolder
from .jobs import Job, kafka_loader, write_config
from .oracle import read_by_librdkafka
from .producing import Message, messages, produce, wait_until
from .records import assert_same_records, offsets_of

LISTENERS = ("REFUSED", "UNRESOLVED")
"""Where each node can be met, but tells its clients to go on at a closed port, or at a name that is none."""


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """Three nodes for tests to stop, kill and pause."""
    keep = {"log.retention.ms": "-1"}  # records here are of any date
    cluster = KafkaCluster(tmp_path_factory.mktemp("brokers"), nodes=3, heap_mib=256, properties=keep)
    ports = iter(choose_ports(9))
    for node in cluster.nodes:
        node.properties["inter.broker.listener.name"] = "PLAINTEXT"
        node.properties["listener.security.protocol.map"] = ",".join(
            f"{name}:PLAINTEXT" for name in ("PLAINTEXT", "CONTROLLER", *LISTENERS)
        )
        for name, advertised in zip(
            LISTENERS, (f"127.0.0.1:{next(ports)}", "kafka.invalid:9092"), strict=True
        ):
            node.properties["listeners"] += f",{name}://127.0.0.1:{next(ports)}"
            node.properties["advertised.listeners"] += f",{name}://{advertised}"
    with cluster:
        yield cluster
        cluster.kill()  # stopped together, each would wait for the others to take over what it leads


@pytest.fixture(autouse=True)
def _all_run(brokers: KafkaCluster) -> None:
    """Begin with every node at work, whatever the test before did to it."""
    for node in brokers.nodes:
        node.resume()
        node.launch()
    for node in brokers.nodes:
        node.wait_until_ready()


class NewJobFunction(Protocol):
    """`new_job("orders", fetch={...})`: on the three nodes, quick to give up."""

    def __call__(
        self, *topics: str, servers: list[str] | None = None, **sections: Mapping[str, Any]
    ) -> Job: ...


@pytest.fixture
def new_job(brokers: KafkaCluster, tmp_path: Path, local_folder: LocalFolder) -> NewJobFunction:
    """Writes the job file."""

    def write(*topics: str, servers: list[str] | None = None, **sections: Mapping[str, Any]) -> Job:
        config = tmp_path / "job.toml"
        kafka = {
            "bootstrap_servers": servers or brokers.bootstrap_servers.split(","),
            "request_timeout_ms": 2000,
            **sections.pop("kafka", {}),
        }
        names = tuple({"name": topic} for topic in topics)
        write_config(
            config, {"name": "job", "destination": local_folder.url}, names, {"kafka": kafka, **sections}
        )
        return Job(config, local_folder)

    return write


def create(brokers: KafkaCluster, topic: str, *replicas: list[int], **config: str) -> str:
    """A topic whose partitions are on these nodes, each led by the first of them."""
    admin = AdminClient({"bootstrap.servers": brokers.bootstrap_servers, "log_level": 0})
    wanted = NewTopic(topic, len(replicas), replica_assignment=list(replicas), config=config)
    admin.create_topics([wanted])[topic].result(30)
    wait_until(
        lambda: all(leader_of(brokers, topic, number) == nodes[0] for number, nodes in enumerate(replicas)),
        f"{topic} to have its leaders",
    )
    return topic


def leader_of(brokers: KafkaCluster, topic: str, partition: int = 0) -> int:
    """Which node leads; -1 for none, or for a partition that is not known yet."""
    admin = AdminClient({"bootstrap.servers": brokers.bootstrap_servers, "log_level": 0})
    partitions = admin.list_topics(topic, timeout=10).topics[topic].partitions
    return int(partitions[partition].leader) if partition in partitions else -1


def in_many_batches(brokers: KafkaCluster, topic: str, partition: int = 0) -> None:
    """Eight batches of ten records, which SMALL_FETCHES take one by one."""
    for number in range(8):
        sent = [Message(b"%d" % number * 10_000, partition=partition)] * 10
        produce(brokers, topic, sent, {"linger.ms": 500})


def interrupt(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something in the middle of the next run in this process: two of eight or more fetches are done."""
    fetch, numbers = RangeReader._fetch, itertools.count(1)

    def act_and_fetch(self: RangeReader, *arguments: Any, **options: Any) -> Any:
        if next(numbers) == 3:
            act()
        return fetch(self, *arguments, **options)

    monkeypatch.setattr(RangeReader, "_fetch", act_and_fetch)


def at_first_wait(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something when a reader of this process waits for the first time."""
    wait, waiting = Patience.wait, Interruption(Step.LOAD, act)

    def act_and_wait(self: Patience, wanted: OffsetRange, reason: str) -> None:
        waiting.step(Step.LOAD)
        wait(self, wanted, reason)

    monkeypatch.setattr(Patience, "wait", act_and_wait)


SMALL_FETCHES = {"max_bytes": 65536}


def test_another_replica_is_read_when_the_leader_dies_during_a_load(
    brokers: KafkaCluster, new_job: NewJobFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = create(brokers, "leader-dies", [2, 3])
    in_many_batches(brokers, topic)
    job = new_job(topic, fetch=SMALL_FETCHES, kafka={"stall_timeout_s": 60.0})
    interrupt(monkeypatch, brokers.nodes[1].kill)

    job.run()

    assert leader_of(brokers, topic) == 3
    assert_same_records(job.records(), read_by_librdkafka(brokers, topic))
    assert offsets_of(job.records()) == list(range(80))


@pytest.mark.parametrize(
    ("harm", "heal"),
    [(KafkaNode.stop, KafkaNode.start), (KafkaNode.pause, KafkaNode.resume)],
    ids=["restarted", "paused-and-resumed"],
)
def test_a_broker_that_comes_back_is_read_on(
    harm: Callable[[KafkaNode], None],
    heal: Callable[[KafkaNode], None],
    brokers: KafkaCluster,
    new_job: NewJobFunction,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topic = create(brokers, f"back-after-{harm.__name__}", [2])
    in_many_batches(brokers, topic)
    job = new_job(topic, fetch=SMALL_FETCHES, kafka={"stall_timeout_s": 60.0})
    node, is_away = brokers.nodes[1], threading.Event()

    def go_away() -> None:
        harm(node)
        is_away.set()

    def come_back() -> None:
        assert is_away.wait(60)
        heal(node)

    interrupt(monkeypatch, go_away)
    at_first_wait(monkeypatch, come_back)

    job.run()

    assert_same_records(job.records(), read_by_librdkafka(brokers, topic))
    assert offsets_of(job.records()) == list(range(80))


def test_a_broker_that_does_not_come_back_is_waited_for_once_and_the_others_are_read(
    brokers: KafkaCluster, new_job: NewJobFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung = [create(brokers, f"hung-{number}", [2], [2]) for number in range(3)]
    healthy = create(brokers, "hung-4-is-healthy", [3])
    for topic in hung:
        in_many_batches(brokers, topic)
        produce(brokers, topic, messages(5, partition=1))
    produce(brokers, healthy, messages(10))
    job = new_job(*hung, healthy, fetch=SMALL_FETCHES, kafka={"stall_timeout_s": 2.0})
    interrupt(monkeypatch, brokers.nodes[1].pause)
    wait, pauses = Patience.wait, []

    def count_and_wait(self: Patience, wanted: OffsetRange, reason: str) -> None:
        wait(self, wanted, reason)
        pauses.append(wanted.topic)

    monkeypatch.setattr(Patience, "wait", count_and_wait)

    ended = job.try_run()

    assert ended.status == 3, ended.errors
    failures = ended.document["failures"]
    assert {topic: [each["kind"] for each in errors] for topic, errors in failures.items()} == {
        topic: ["FetchStalled"] for topic in hung
    }
    # While it is paused, the other nodes come to take it for dead.
    told = failures[hung[0]][0]["message"]
    assert brokers.nodes[1].address in told or "hung-0-0 has no leader" in told
    assert set(pauses) == {hung[0]}, "the first range waits until the limit, and no other waits again"
    assert {record.topic for record in job.records()} == {healthy}
    assert_same_records(job.records(), read_by_librdkafka(brokers, healthy))

    monkeypatch.undo()
    brokers.nodes[1].resume()
    wait_until(brokers.nodes[1].answers, "the paused node to answer")
    job.run()

    expected = [record for topic in (*hung, healthy) for record in read_by_librdkafka(brokers, topic)]
    assert_same_records(job.records(), expected)


def test_partitions_that_give_no_answer_keep_their_position_while_the_others_commit(
    brokers: KafkaCluster, new_job: NewJobFunction
) -> None:
    topic = create(brokers, "half-away", [2], [3])
    closed = f"127.0.0.1:{choose_ports(1)[0]}"
    job = new_job(topic, servers=[closed, *brokers.bootstrap_servers.split(",")])
    for partition in range(2):
        produce(brokers, topic, messages(5, partition=partition))
    job.run()
    for partition in range(2):
        produce(brokers, topic, messages(5, partition=partition, first=5))

    brokers.nodes[1].pause()
    ended = job.try_run()
    brokers.nodes[1].resume()

    assert ended.status == 3, ended.errors
    assert list(ended.document["unlisted"]) == [f"{topic}-0"]
    assert [(each["partition"], each["start_offset"]) for each in ended.document["ranges"]] == [(1, 5)]
    assert offsets_of(job.records(), partition=0) == list(range(5))
    assert offsets_of(job.records(), partition=1) == list(range(10))

    wait_until(brokers.nodes[1].answers, "the paused node to answer")
    (loaded,) = job.run()["ranges"]

    assert (loaded["partition"], loaded["start_offset"], loaded["end_offset"]) == (0, 5, 10)
    assert_same_records(job.records(), read_by_librdkafka(brokers, topic))


@pytest.mark.parametrize("listener", LISTENERS)
def test_doctor_tells_of_each_broker_that_advertises_what_cannot_be_reached(
    listener: str, brokers: KafkaCluster, new_job: NewJobFunction
) -> None:
    met, advertised = (
        [
            each.removeprefix(f"{listener}://")
            for node in brokers.nodes
            for each in node.properties[key].split(",")
            if each.startswith(listener)
        ]
        for key in ("listeners", "advertised.listeners")
    )
    job = new_job("topic", servers=met)

    ended = kafka_loader("doctor", str(job.config), "--json")

    found = {check["name"]: check for check in ended.document["checks"]}
    assert all(found[f"bootstrap {address}"]["verdict"] == "ok" for address in met)
    for number, address in enumerate(advertised, 1):
        broker = found[f"broker {number}"]
        assert broker["verdict"] == "problem"
        assert broker["found"].startswith(f"advertises {address}: ")
        assert "advertised.listeners" in broker["to_do"]
    assert ended.status == (2 if "kafka.invalid:9092" in advertised else 3)


@pytest.mark.parametrize("listener", LISTENERS)
def test_an_advertised_address_that_cannot_be_reached_is_told_at_once(
    listener: str, brokers: KafkaCluster, new_job: NewJobFunction, tmp_path: Path
) -> None:
    met, advertised = (
        [
            each.removeprefix(f"{listener}://")
            for node in brokers.nodes
            for each in node.properties[key].split(",")
            if each.startswith(listener)
        ]
        for key in ("listeners", "advertised.listeners")
    )
    topic = create(brokers, f"behind-{listener.lower()}", [1])
    # Longer than a test may take: neither is waited for.
    job = new_job(topic, servers=met, kafka={"request_timeout_ms": 600_000, "stall_timeout_s": 600.0})

    ended = job.try_run()

    assert ended.status == 3
    assert any(f"{server} answers, but none of the addresses" in ended.errors for server in met)
    assert all(f"broker {number} ({address})" in ended.errors for number, address in enumerate(advertised, 1))
    assert "set their advertised.listeners" in ended.errors
    assert job.folder.paths() == []

    # A driver may reach what a task on another host does not.
    elsewhere = settings(",".join(met), request_timeout_ms=600_000, stall_timeout_s=600.0)
    task = a_task(brokers.bootstrap_servers, tmp_path, [topic], elsewhere)
    (failure,) = run(task, OffsetRange(topic, 0, 0, 1)).failures
    assert isinstance(failure.error, BrokerUnavailable)
    assert "answers, but none of the addresses that its brokers advertise" in str(failure.error)


def test_offsets_that_an_unclean_election_took_back_or_gave_to_other_records_stop_the_topic(
    brokers: KafkaCluster, new_job: NewJobFunction
) -> None:
    rewritten = create(
        brokers,
        "rewritten",
        [2, 3],
        **{"min.insync.replicas": "1", "unclean.leader.election.enable": "true"},
    )
    healthy = create(brokers, "rewritten-not", [1])
    job = new_job(rewritten, healthy, fetch={"max_wait_ms": 50})
    for topic in (rewritten, healthy):
        produce(brokers, topic, messages(5))
    wait_until(lambda: in_sync(brokers, rewritten) == {2, 3}, "both replicas to hold the first records")
    brokers.nodes[2].kill()
    wait_until(lambda: in_sync(brokers, rewritten) == {2}, "the second replica to be out of sync")
    produce(brokers, rewritten, messages(5, first=5))  # 5 to 9, on one replica only
    job.run()
    loaded = job.records()
    assert offsets_of(loaded, rewritten) == list(range(10))
    brokers.nodes[1].kill()
    brokers.nodes[2].start()
    wait_until(lambda: leader_of(brokers, rewritten) == 3, "the replica that is behind to lead")

    truncated = job.try_run()
    produce(brokers, rewritten, messages(10, first=100))  # 5 to 14: the log is longer than the position again
    produce(brokers, healthy, messages(5, first=5))
    diverged = job.try_run()
    again = job.try_run()

    ended = (truncated, diverged, again)
    assert [each.status for each in ended] == [4, 4, 4]
    failures = [each.document["failures"] for each in ended]
    assert [list(each) for each in failures] == [[rewritten]] * 3
    kinds = [[error["kind"] for error in each[rewritten]] for each in failures]
    assert kinds == [["LogTruncated"], ["LogDiverged"], ["LogDiverged"]]
    assert f"{rewritten}-0: the position is 10, but Kafka's log ends at 5" in truncated.errors
    assert "offsets [5, 10) were rewritten after an unclean leader election" in diverged.errors
    assert [each.document["committed"] for each in ended] == [False, True, False]
    rest = [record for record in read_by_librdkafka(brokers, healthy) if record.offset >= 5]
    assert_same_records(job.records(), [*loaded, *rest])


def in_sync(brokers: KafkaCluster, topic: str) -> set[int]:
    """The replicas that hold all of partition 0."""
    admin = AdminClient({"bootstrap.servers": brokers.bootstrap_servers, "log_level": 0})
    return set(admin.list_topics(topic, timeout=10).topics[topic].partitions[0].isrs)
