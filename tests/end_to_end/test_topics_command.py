"""`topics`: what other clients and the broker's disk say, and what could not be found out."""

import time
from typing import Any

import pytest
from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]
from kafka import errors as kafka_errors
from kafka.protocol.admin.configs import DescribeConfigsResponse
from kafka.protocol.consumer import ListOffsetsResponse
from kafka.protocol.metadata import MetadataResponse

from loader.cli.topics import retention, span
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.topic_configs import ConfigValue
from loader.operations.live import topics as operation
from local_services.kafka import KafkaCluster
from local_services.ports import choose_ports
from tests.conftest import NewTopicFunction
from tests.kafka_source.asking import count_requests, delete_records

from .conftest import NewJobFunction
from .jobs import kafka_loader
from .producing import T0_MS, Message, ends_of, messages, produce, send, transactional_producer


def look(kafka: KafkaCluster, *arguments: str) -> Any:
    """The document of a `topics` command, which must end with 0."""
    ended = kafka_loader("topics", *arguments, "--bootstrap-servers", kafka.bootstrap_servers, "--json")
    assert (ended.status, ended.errors) == (0, "")
    return ended.document


def size_on_disk(kafka: KafkaCluster, topic: str, partition: int) -> int:
    folder = kafka.nodes[0].folder / "data" / f"{topic}-{partition}"
    return sum(path.stat().st_size for path in folder.glob("*.log"))


@pytest.mark.parametrize("command", [["list"], ["show"]], ids="".join)
def test_a_topic_is_shown_as_other_clients_and_the_brokers_disk_have_it(
    command: list[str], kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic(partitions=3, config={"retention.ms": "-1", "retention.bytes": "5000000"})
    produce(kafka, topic, messages(20) + messages(7, partition=1))
    delete_records(kafka, topic, 5)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})
    described = admin.describe_topics(TopicCollection([topic]))[topic].result(30)

    document = look(kafka, *command, topic)

    (found,) = document["topics"]
    topic_id = str(described.topic_id).translate(
        str.maketrans("+/", "-_")
    )  # of base64 there are two spellings
    sizes = [size_on_disk(kafka, topic, number) for number in range(3)]
    assert document["cluster_id"] == kafka.cluster_id
    assert document["brokers"] == [{"node_id": 1, "address": kafka.nodes[0].address}]
    assert (found["topic"], found["topic_id"]) == (topic, topic_id)
    assert (found["partition_count"], found["replication"]) == (3, 1)
    assert (found["begin_offset"], found["end_offset"], found["offset_count"]) == (5, 27, 22)
    assert (found["size_bytes"], found["records_per_s"]) == (sum(sizes), 0.0)
    assert (found["cleanup_policy"], found["retention_ms"], found["retention_bytes"]) == (
        "delete",
        -1,
        5000000,
    )
    assert [
        (each["partition"], each["begin_offset"], each["end_offset"], each["size_bytes"])
        for each in found["partitions"]
    ] == [(0, 5, 20, sizes[0]), (1, 0, 7, sizes[1]), (2, 0, 0, sizes[2])]
    assert [
        (each["leader_id"], each["replicas"], each["in_sync_replicas"], each["offline_replicas"])
        for each in found["partitions"]
    ] == [
        (each.leader.id, [node.id for node in each.replicas], [node.id for node in each.isr], [])
        for each in described.partitions
    ]


def test_show_has_all_of_the_config_and_the_time_of_the_newest_record_of_each_partition(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic(partitions=2, config={"cleanup.policy": "compact", "max.message.bytes": "2000000"})
    produce(kafka, topic, messages(3))  # T0_MS, one second later, two seconds later
    produce(kafka, topic, [Message(b"late", b"key", timestamp_ms=T0_MS - 5000)])
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})
    resource = ConfigResource("topic", topic)
    expected = admin.describe_configs([resource])[resource].result(30)

    (found,) = look(kafka, "show", topic)["topics"]
    text = kafka_loader("topics", "show", topic, "-b", kafka.bootstrap_servers).output

    assert {name: each["value"] for name, each in found["config"].items()} == {
        name: entry.value for name, entry in expected.items()
    }
    set_here = {name for name, each in found["config"].items() if each["source"] == "topic"}
    assert set_here == {"cleanup.policy", "max.message.bytes"}
    newest = [each["newest_timestamp_ms"] for each in found["partitions"]]
    assert newest == [T0_MS + 2000, None]
    assert f"topic {topic}, id {found['topic_id']}, of cluster {kafka.cluster_id}\n" in text
    assert "retention: compacted\n" in text
    assert "2024-02-29 10:00:02Z" in text


def test_the_rate_counts_what_was_written_in_the_last_ten_minutes_by_the_records_time(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic(partitions=2)
    now_ms = time.time_ns() // 1_000_000
    produce(kafka, topic, messages(12, timestamp_ms=now_ms - 1_200_000))
    produce(kafka, topic, messages(30, timestamp_ms=now_ms - 60_000))
    produce(kafka, topic, messages(6, timestamp_ms=now_ms - 60_000, partition=1))

    document = look(kafka, topic)

    (found,) = document["topics"]
    assert document["rate_seconds"] == 600
    assert [each["recent_offset_count"] for each in found["partitions"]] == [30, 6]
    assert found["records_per_s"] == 36 / 600


def test_an_open_transaction_shows_in_the_stable_end(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(4))
    producer = transactional_producer(kafka, f"{topic}-open")
    producer.begin_transaction()
    send(producer, topic, messages(3))

    (found,) = look(kafka, "show", topic)["topics"]
    ends = ends_of(kafka, topic)
    producer.abort_transaction(30)

    (partition,) = found["partitions"]
    assert (ends.last_stable_offset, ends.high_watermark) == (4, 7)
    assert (partition["last_stable_offset"], partition["end_offset"]) == (4, 7)


def test_with_a_job_the_topics_that_it_loads_are_marked_and_those_it_misses_are_told(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    base = new_topic()
    names = [new_topic(f"{base}-{end}") for end in ("eu", "us", "other")]
    job = new_job(base, f"{base}-gone", {"pattern": f"{base}-(eu|us)"})

    ended = kafka_loader("topics", f"{base}.*", "--config", str(job.config), "--json")
    text = kafka_loader("topics", f"{base}.*", "--config", str(job.config))
    shown = kafka_loader("topics", "show", names[2], "--config", str(job.config))

    marks = {each["topic"]: each["in_job"] for each in ended.document["topics"]}
    assert marks == {base: True, names[0]: True, names[1]: True, names[2]: False}
    assert ended.document["absent_from_kafka"] == [f"{base}-gone"]
    assert (text.status, shown.status) == (0, 0)
    assert [line.split()[-1] == "yes" for line in text.output.splitlines()[1:5]] == [True, True, False, True]
    assert f"4 topics with 4 partitions in cluster {kafka.cluster_id}, 3 in job job" in text.output
    assert text.errors == f"job job names topics that are not there: {base}-gone\n"
    assert "job job does not load it\n" in shown.output
    assert job.folder.paths() == []


def test_looking_at_more_topics_takes_no_more_requests(
    kafka: KafkaCluster, new_topic: NewTopicFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = new_topic()
    for number in range(3):
        new_topic(f"{base}-{number}", partitions=3)
    requests = count_requests(monkeypatch)

    sent = []
    for pattern, names in ((base, 1), (f"{base}.*", 4)):
        requests.clear()
        assert len(look(kafka, pattern)["topics"]) == names
        sent.append(list(requests))

    assert sent[0] == sent[1]


def test_internal_topics_are_shown_only_where_they_are_asked_for(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    transactional_producer(kafka, "makes-the-internal-topic")

    def names(*arguments: str) -> set[str]:
        return {each["topic"] for each in look(kafka, *arguments)["topics"]}

    assert topic in names()
    assert "__transaction_state" not in names()
    assert names("__trans.*", "--internal") == {"__transaction_state"}
    assert names("show", "__transaction_state") == {"__transaction_state"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "{}-eux"], "{}-eux: the cluster has no such topic; did you mean {}-eu"),
        (
            ["{}-eux"],
            "no topic matches '{}-eux', a regular expression for the whole name; did you mean {}-eu",
        ),
        (["{}-e*"], "no topic matches '{}-e*', a regular expression for the whole name; did you mean {}-eu"),
        (["*{}"], "'*{}' is not a regular expression: nothing to repeat at position 0; did you mean '.*{}'?"),
        (["show", "a b"], "topics: 'a b' cannot be the name of a Kafka topic"),
    ],
)
def test_a_topic_that_is_not_there_ends_with_2_and_the_nearest_names(
    arguments: list[str], said: str, kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    base = new_topic().split("-")[-1] + "-nearest"
    new_topic(f"{base}-eu")

    ended = kafka_loader(
        "topics", *(each.replace("{}", base) for each in arguments), "-b", kafka.bootstrap_servers
    )

    assert ended.status == 2
    assert said.replace("{}", base) in ended.errors


def test_partitions_that_give_no_answer_are_told_and_the_others_shown(
    kafka: KafkaCluster, new_topic: NewTopicFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = new_topic(partitions=2)
    produce(kafka, topic, messages(4) + messages(4, partition=1))
    ask_each = KafkaClient.ask_each

    def without_one(self: KafkaClient, *arguments: Any) -> dict[int | None, Any]:
        answers = ask_each(self, *arguments)
        for answer in answers.values():
            if isinstance(answer, ListOffsetsResponse):
                for partition in (each for named in answer.topics for each in named.partitions):
                    if partition.partition_index == 1:
                        partition.error_code = kafka_errors.LeaderNotAvailableError.errno
        return answers

    monkeypatch.setattr(KafkaClient, "ask_each", without_one)
    monkeypatch.setattr(operation, "LEADER_PATIENCE_S", 0.1)

    text = kafka_loader("topics", topic, "-b", kafka.bootstrap_servers)
    ended = kafka_loader("topics", topic, "-b", kafka.bootstrap_servers, "--json")

    (found,) = ended.document["topics"]
    assert (ended.status, text.status) == (3, 3)
    assert [each["end_offset"] for each in found["partitions"]] == [4, None]
    assert [each["problem"] for each in found["partitions"]] == [None, "LeaderNotAvailableError"]
    assert (found["end_offset"], found["offset_count"], found["records_per_s"]) == (None, None, None)
    assert text.errors == f"{topic}-1: no answer: LeaderNotAvailableError\n"
    assert text.output.splitlines()[1].split()[:5] == [topic, "2", "x1", ">=0", ">=4"]


def test_replicas_that_are_behind_or_offline_are_marked(
    kafka: KafkaCluster, new_topic: NewTopicFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = new_topic()
    ask_each = KafkaClient.ask_each

    def on_three_brokers(self: KafkaClient, *arguments: Any) -> dict[int | None, Any]:
        answers = ask_each(self, *arguments)
        for answer in answers.values():
            for each in answer.topics if isinstance(answer, MetadataResponse) else ():
                for partition in each.partitions:
                    partition.replica_nodes, partition.isr_nodes = [3, 1, 2], [1]
                    partition.offline_replicas = [3]
        return answers

    monkeypatch.setattr(KafkaClient, "ask_each", on_three_brokers)

    text = kafka_loader("topics", "show", topic, "-b", kafka.bootstrap_servers)
    (found,) = look(kafka, "show", topic)["topics"]

    (partition,) = found["partitions"]
    assert found["replication"] == 3
    assert partition["replicas"] == [3, 1, 2]
    assert (partition["in_sync_replicas"], partition["offline_replicas"]) == ([1], [3])
    assert " 3(offline) 1 2(behind) " in text.output
    assert "3  not in the cluster now" in text.output


def test_a_config_that_this_user_may_not_see_is_told_and_the_rest_shown(
    kafka: KafkaCluster, new_topic: NewTopicFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(4))
    ask_each = KafkaClient.ask_each

    def denied(self: KafkaClient, *arguments: Any) -> dict[int | None, Any]:
        answers = ask_each(self, *arguments)
        for answer in answers.values():
            if isinstance(answer, DescribeConfigsResponse):
                for each in answer.results:
                    each.error_code, each.configs = kafka_errors.TopicAuthorizationFailedError.errno, []
        return answers

    monkeypatch.setattr(KafkaClient, "ask_each", denied)

    ended = kafka_loader("topics", topic, "-b", kafka.bootstrap_servers)

    assert ended.status == 0
    assert ended.output.splitlines()[1].split()[-1] == "?"
    assert f"the config of {topic} is unknown: this user may not see it" in ended.errors


@pytest.mark.parametrize("command", [["topics"], ["groups", "show", "g"]], ids=" ".join)
def test_brokers_that_are_down_end_with_3(command: list[str], new_job: NewJobFunction) -> None:
    (port,) = choose_ports(1)
    servers = {"bootstrap_servers": [f"127.0.0.1:{port}"], "request_timeout_ms": 1000}

    ended = kafka_loader(*command, "--config", str(new_job("topic", kafka=servers).config))

    assert ended.status == 3
    assert f"no answer from 127.0.0.1:{port} within 1000 ms" in ended.errors


@pytest.mark.parametrize("command", ["topics", "groups"])
@pytest.mark.parametrize("arguments", [[], ["show", "name"], ["--json"]], ids=str)
def test_without_brokers_they_end_with_2(command: str, arguments: list[str]) -> None:
    ended = kafka_loader(command, *arguments)

    assert ended.status == 2
    assert "needs --config or --bootstrap-servers, and not both" in ended.errors


@pytest.mark.parametrize("command", ["topics", "groups"])
def test_help_of_each_tells_its_options_and_an_example(command: str) -> None:
    group, listing, show = (kafka_loader(command, *each, "--help") for each in ([], ["list"], ["show"]))

    assert (group.status, listing.status, show.status) == (0, 0, 0)
    assert f"Example: kafka-loader {command} --config conf/quickstart.toml" in group.output
    for ended in (listing, show):
        assert f"Example: kafka-loader {command} " in ended.output
        for option in ("--config", "--bootstrap-servers", "--json"):
            assert option in ended.output
    assert "[kafka]" in listing.output  # no markup, which would be swallowed


@pytest.mark.parametrize(
    ("policy", "keeps_ms", "keeps_bytes", "said"),
    [
        ("delete", "604800000", "-1", "7 d"),
        ("delete", "-1", "-1", "for ever"),
        ("delete", "5400000", "1073741824", "90 min or 1.0 GiB/partition"),
        ("delete", "-1", "1048576", "1.0 MiB/partition"),
        ("compact", "604800000", "-1", "compacted"),
        ("compact,delete", "129600000", "-1", "compacted, 36 h"),
    ],
)
def test_retention_reads_as_people_say_it(policy: str, keeps_ms: str, keeps_bytes: str, said: str) -> None:
    values = {"cleanup.policy": policy, "retention.ms": keeps_ms, "retention.bytes": keeps_bytes}

    assert retention({key: ConfigValue(value, "topic") for key, value in values.items()}) == said
    assert retention({}) == "?"


def test_a_span_is_told_exactly() -> None:
    assert [span(each) for each in (0, 1, 1000, 61_000, 3_600_000, 90_000_000, 86_400_000)] == [
        *("0 ms", "1 ms", "1 s", "61 s", "1 h", "25 h", "1 d")
    ]
