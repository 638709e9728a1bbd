"""`tail`: which records it shows, in which order, and how it spells them."""

import base64
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import NewPartitions  # type: ignore[attr-defined]
from rich.cells import cell_len

from loader.cli import process
from loader.cli.tail_output import TableLines
from loader.config.starts import Earliest
from loader.operations.live.tail import TailRequest, open_tail
from loader.operations.live.tail_records import TailRecord
from local_services.kafka import KafkaCluster
from local_services.ports import choose_ports
from local_services.registry import SchemaRegistry
from tests.conftest import NewTopicFunction
from tests.formats.avro.decoding import record
from tests.formats.avro.plain_avro import encode, framed
from tests.kafka_source.asking import admin_of, delete_records, settings

from .conftest import NewJobFunction
from .jobs import Ended, kafka_loader
from .producing import (
    T0_MS,
    Ends,
    Message,
    messages,
    produce,
    produce_oddly,
    send,
    transactional_producer,
    wait_for_ends,
)
from .tailing import take
from .terminals import COMMAND


def tail(kafka: KafkaCluster, *arguments: str) -> list[Any]:
    """The JSON lines of a tail that must end with 0."""
    ended = kafka_loader("tail", *arguments, "-b", kafka.bootstrap_servers, "--json")
    assert ended.status == 0, ended.errors
    return lines_of(ended)


def lines_of(ended: Ended) -> list[Any]:
    return [json.loads(line) for line in ended.output.splitlines()]


def places(documents: list[Any]) -> list[tuple[int, int]]:
    """Partition and offset of each."""
    return [(each["partition"], each["offset"]) for each in documents]


def at_seconds(partition: int, *seconds: int) -> list[Message]:
    """Records of these times after T0; each says its time."""
    return [Message(b"%d" % each, timestamp_ms=T0_MS + each * 1000, partition=partition) for each in seconds]


@pytest.fixture
def topic(kafka: KafkaCluster, new_topic: NewTopicFunction) -> str:
    """Ten records of the seconds 0 to 9: one partition has the older half, the others share the newer."""
    topic = new_topic(partitions=3)
    produce(kafka, topic, at_seconds(0, 0, 1, 2, 3, 4) + at_seconds(1, 5, 7, 9) + at_seconds(2, 6, 8))
    return topic


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], range(10)),
        (["--last", "4"], [6, 7, 8, 9]),
        (["--last", "0"], []),
        (["--last", "2", "--partition", "0"], [3, 4]),
        (["--from", "earliest"], range(10)),
        (["--from", "earliest", "--count", "6"], range(6)),
        (["--from", "latest"], []),
        (["--from", "2024-02-29T11:00:07+01:00"], [7, 8, 9]),
        (["--from", "2024-02-29T10:00:03Z", "--count", "3"], [3, 4, 5]),
        (["--from", "1h"], []),
        (["--partition", "1"], [5, 7, 9]),
        (["--partition", "1", "--offset", "1"], [7, 9]),
        (["--partition", "1", "--offset", "3"], []),
        (["--follow", "--count", "3"], [7, 8, 9]),
        (["--follow", "--from", "earliest", "--count", "10"], range(10)),
    ],
    ids=str,
)
def test_records_are_those_asked_for_in_the_order_of_time(
    kafka: KafkaCluster, topic: str, arguments: list[str], expected: list[int]
) -> None:
    assert [int(each["value"]) for each in tail(kafka, topic, *arguments)] == list(expected)


def test_a_span_begins_that_long_before_now(kafka: KafkaCluster, new_topic: NewTopicFunction) -> None:
    topic = new_topic()
    now_ms = time.time_ns() // 1_000_000
    ages_s = {b"old": 7300, b"hour": 3500, b"new": 5}
    produce(
        kafka, topic, [Message(value, timestamp_ms=now_ms - age_s * 1000) for value, age_s in ages_s.items()]
    )

    assert [each["value"] for each in tail(kafka, topic, "--from", "1h")] == ["hour", "new"]
    assert [each["value"] for each in tail(kafka, topic, "--from", "90d")] == ["old", "hour", "new"]


def test_several_topics_come_as_one_in_the_order_of_time_with_the_newest_of_each(
    kafka: KafkaCluster, topic: str, new_topic: NewTopicFunction
) -> None:
    other = new_topic(f"{topic}-other")
    produce(kafka, other, at_seconds(0, 0, 3, 7))

    everything = tail(kafka, topic, other, "--from", "earliest")
    newest = tail(kafka, topic, other, topic, "--last", "2")

    assert [int(each["value"]) for each in everything] == [0, 0, 1, 2, 3, 3, 4, 5, 6, 7, 7, 8, 9]
    assert [(each["topic"], int(each["value"])) for each in newest] == [
        (other, 3),
        (other, 7),
        (topic, 8),
        (topic, 9),
    ]


def test_aborted_records_and_those_of_an_open_transaction_are_not_shown(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(3))
    producer = transactional_producer(kafka, topic)
    producer.begin_transaction()
    send(producer, topic, messages(40, first=100))
    producer.abort_transaction()
    wait_for_ends(kafka, topic, Ends(44, 44))
    producer.begin_transaction()
    send(producer, topic, messages(1, first=200))

    values = [each["value"] for each in tail(kafka, topic, "--last", "2")]
    everything = [each["value"] for each in tail(kafka, topic, "--from", "earliest")]
    producer.abort_transaction()

    assert values == ["value 1", "value 2"]
    assert everything == ["value 0", "value 1", "value 2"]


def test_what_kafka_deleted_is_told_and_the_rest_is_shown(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(3))
    with open_tail(
        settings(kafka.bootstrap_servers), TailRequest(topics=(topic,), begin=Earliest(), follows=True), None
    ) as source:
        first = source.next()
        assert first is not None
        source.shown(first)
        while source.next():
            pass
        produce(kafka, topic, messages(3, first=3))
        delete_records(kafka, topic, 5)

        rest = take(source, 1)

        assert [each.offset for each in [*first, *rest]] == [0, 1, 2, 5]
        assert source.notices == [f"{topic}-0[3, 5): Kafka deleted these offsets before they could be shown"]


BINARY = b"\xff\x00"


def test_json_lines_say_all_of_a_record(kafka: KafkaCluster, new_topic: NewTopicFunction) -> None:
    topic = new_topic()
    headers: list[tuple[str, bytes | None]] = [("a", "ž".encode()), ("a", None), ("b", BINARY)]
    sent = [Message(b'{"n": 1}', "klíč".encode(), headers), Message(None, BINARY), Message(BINARY, None)]
    produce(kafka, topic, sent)
    produce_oddly(kafka, topic, [Message(b"", b"", timestamp_ms=-1)])

    found = tail(kafka, topic, "--from", "earliest")

    coded = base64.b64encode(BINARY).decode()
    same = {"topic": topic, "partition": 0, "timestamp_ms": T0_MS, "timestamp_type": 0, "headers": []}
    told = [["a", "ž"], ["a", None], {"key": "b", "value_base64": coded}]
    assert sorted(found, key=lambda each: each["offset"]) == [
        {**same, "offset": 0, "key": "klíč", "value": '{"n": 1}', "headers": told},
        {**same, "offset": 1, "key_base64": coded, "value": None},
        {**same, "offset": 2, "key": None, "value_base64": coded},
        {**same, "offset": 3, "timestamp_ms": None, "key": "", "value": ""},
    ]


def test_a_line_of_text_has_time_place_key_value_and_headers(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    headers: list[tuple[str, bytes | None]] = [("trace", b"1\t2"), ("empty", None)]
    produce(kafka, topic, [Message("Příbram\n".encode(), BINARY, headers, T0_MS + 7), Message(None)])

    ended = kafka_loader("tail", topic, "-b", kafka.bootstrap_servers)

    assert ended.output.splitlines() == [
        f"2024-02-29 10:00:00.000Z\t{topic}-0@1\t<null>\t<null>",
        f"2024-02-29 10:00:00.007Z\t{topic}-0@0\t\\xff\\x00\tPříbram\\n\ttrace=1\\t2 empty=<null>",
    ]


@pytest.mark.parametrize("output", ["text", "json", "table"])
def test_nothing_in_a_record_can_steer_a_terminal(
    output: str, kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    # Escape, bell, DEL, the C1 form of escape, letters that run backwards, a line separator, an astral one.
    evil = "\x1b[2J\a\x7f\x9b\u202e\u2028\r\n\U000e0001"
    produce(kafka, topic, [Message(evil.encode(), evil.encode(), [(evil, evil.encode())])])

    ended = kafka_loader("tail", topic, "-b", kafka.bootstrap_servers, "--output", output)

    assert [each for each in ended.output if not each.isprintable() and each not in "\n\t"] == []
    assert len(ended.output.splitlines()) == (2 if output == "table" else 1)
    if output == "json":
        (found,) = lines_of(ended)
        assert (found["key"], found["value"], found["headers"]) == (evil, evil, [[evil, evil]])


COLUMNS = {"id": "long", "price": "decimal(9, 2)", "at": "timestamp", "tags": "list<string>"}


@pytest.fixture
def typed_job(kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction) -> tuple[str, Path]:
    """A topic of JSON with a record that is none, and the job that says so."""
    topic = new_topic()
    value = '{"id": %d, "price": 1.5, "at": "2026-11-22T10:00:00+01:00", "tags": ["a", "ž"]}'
    sent = [Message((value % 1).encode(), b"k1"), Message(b"no json", b"k2"), Message(None, b"k3")]
    produce(kafka, topic, [*sent, Message((value % 2).encode(), BINARY)])
    job = new_job(
        {"name": topic, "value": {"format": "json", "columns": COLUMNS}, "key": {"format": "string"}}
    )
    return topic, job.config


def test_a_topic_with_a_format_is_decoded_and_what_cannot_be_is_raw_with_the_reason(
    typed_job: tuple[str, Path],
) -> None:
    topic, config = typed_job

    typed = lines_of(kafka_loader("tail", topic, "-c", str(config), "--json"))
    raw = lines_of(kafka_loader("tail", topic, "-c", str(config), "--json", "--raw"))

    first = {"price": "1.50", "at": "2026-11-22 09:00:00.000000Z", "tags": ["a", "ž"], "_rest": None}
    assert [(each.get("key"), each.get("value")) for each in typed] == [
        ("k1", {"id": 1, **first}),
        ("k2", "no json"),
        ("k3", None),
        (None, raw[3]["value"]),
    ]
    assert typed[3]["key_base64"] == base64.b64encode(BINARY).decode()
    reasons = [each.get("problem", "").split(": ")[:2] for each in typed]
    assert reasons == [[""], ["json", "not-json"], [""], ["key", "string"]]
    assert [json.loads(raw[0]["value"])["id"], raw[1]["value"], raw[2]["value"]] == [1, "no json", None]
    assert [each for each in raw if "problem" in each] == []


def test_a_table_has_a_column_for_each_of_a_format_and_one_for_topics_without(
    typed_job: tuple[str, Path], kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic, config = typed_job
    other = new_topic()
    produce(kafka, other, [Message(b"plain", timestamp_ms=T0_MS + 1, headers=[("h", b"1")])])

    ended = kafka_loader("tail", topic, other, "-c", str(config), "--output", "table")

    heading, *rows = ([cell for cell in line.split("  ") if cell] for line in ended.output.splitlines())
    assert [each.strip() for each in heading] == [
        *("time", "record", "key", "id", "price", "at", "tags", "_rest", "value", "more")
    ]
    found = [[cell.strip() for cell in row] for row in rows]
    time_ = "2024-02-29 10:00:00.000Z"
    assert found[0] == [
        *(time_, f"{topic}-0@0", "k1", "1", "1.50", "2026-11-22 09:00:00.000000Z", '["a", "ž"]', "<null>")
    ]
    assert found[1][:3] == [time_, f"{topic}-0@1", "k2"]
    assert found[1][3].startswith("! json: not-json: ")
    assert found[1][3].endswith(": no json")
    assert found[4] == ["2024-02-29 10:00:00.001Z", f"{other}-0@0", "<null>", "plain", "h=1"]


def test_at_a_terminal_no_line_of_a_table_is_wider_and_what_is_cut_says_so() -> None:
    table = TableLines(["orders"], {"orders": ("id", "name")}, 70)
    values = [{"id": 1, "name": "漢字" * 50}, {"id": 2, "name": "short"}, {"id": 3, "name": "x" * 200}]
    records = [TailRecord("orders", 0, offset, T0_MS, 0, b"k", value) for offset, value in enumerate(values)]

    heading, *rows = [*table.lines(records[:2]), *table.lines(records[2:])]

    assert heading.split() == ["time", "record", "key", "id", "name"]
    assert [cell_len(row) <= 70 for row in rows] == [True] * 3
    assert [row.endswith("…") for row in rows] == [True, False, True]
    assert [row[heading.index("name") :][0] for row in rows] == ["漢", "s", "x"]


def test_avro_is_decoded_also_by_a_schema_that_was_registered_while_it_was_followed(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, registry: SchemaRegistry
) -> None:
    topic = new_topic()
    schemas = [record(n="long") | {"name": "Order"}, record(n="long", city="string") | {"name": "Order"}]
    schemas[1]["fields"][1]["default"] = ""
    first_id = registry.register(f"{topic}-value", json.dumps(schemas[0]))
    key_id = registry.register(f"{topic}-key", json.dumps("long"))
    key = framed(key_id, encode("long", 7))
    produce(kafka, topic, [Message(framed(first_id, encode(schemas[0], {"n": 1})), key)])
    avro = {"format": "avro"}
    config = new_job({"name": topic, "value": avro, "key": avro}, registry={"url": registry.url}).config
    job = process.read_job(config)

    (shown,) = lines_of(kafka_loader("tail", topic, "-c", str(config), "--json"))
    request = TailRequest(topics=(topic,), begin=Earliest(), follows=True)
    with open_tail(job.kafka, request, job) as source:
        before = take(source, 1)
        second_id = registry.register(f"{topic}-value", json.dumps(schemas[1]))
        value = framed(second_id, encode(schemas[1], {"n": 2, "city": "Praha"}))
        produce(kafka, topic, [Message(value, key)])
        after = take(source, 1)

    assert (shown["key"], shown["value"]) == ("7", {"n": 1})
    assert [(each.key, each.value, each.problem) for each in [*before, *after]] == [
        (7, {"n": 1}, ""),
        (7, {"n": 2, "city": "Praha"}, ""),
    ]


def test_a_partition_that_is_added_while_it_is_followed_is_shown_from_its_beginning(
    kafka: KafkaCluster, new_topic: NewTopicFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loader.operations.live.tail_places.RELIST_S", 0.2)
    topic = new_topic()
    request = TailRequest(topics=(topic,), begin=Earliest(), follows=True)
    with open_tail(settings(kafka.bootstrap_servers), request, None) as source:
        assert source.next() == []
        admin = admin_of(kafka)
        admin.create_partitions([NewPartitions(topic, 2)])[topic].result(30)
        produce(kafka, topic, messages(2, partition=1))

        found = take(source, 2)

    assert [(each.partition, each.offset) for each in found] == [(1, 0), (1, 1)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--count", "3"], "--count needs --from, --offset, --follow or --group"),
        (["--offset", "3"], "--offset needs --partition"),
        (["--partition", "0", "--offset", "3", "other"], "--offset needs one topic"),
        (["--last", "3", "--from", "2h"], "--last and --from each say where to begin"),
        (["--from", "2h", "--partition", "0", "--offset", "1"], "--from and --offset each say"),
        (["--from", "yesterday"], "must be earliest, latest, a time with its zone, like"),
        (["--from", "2026-11-01T00:00:00"], "00:00:00: must be earliest, latest, a time with its zone"),
        (["--group", "g", "--last", "3"], "--group and --last do not go together"),
        (["--group", "g", "--partition", "0"], "--group and --partition do not go together"),
        (["--group", "g", "--from", "2h"], "with --group only earliest or latest"),
        (["-c", "job.toml"], "--config or --bootstrap-servers, and not both"),
        (["--output", "xml"], "'xml' is not one of 'text', 'json', 'table'"),
    ],
)
def test_options_that_do_not_go_together_are_named_and_end_with_2(arguments: list[str], said: str) -> None:
    ended = kafka_loader("tail", "orders", "-b", "127.0.0.1:1", *arguments)

    assert (ended.status, ended.output) == (2, "")
    assert said in " ".join(ended.errors.replace("│", "").split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["not-there"], "not-there: the cluster has no such topic"),
        (["--partition", "3"], "has no partition 3, but 0 to 2"),
        (["--partition", "1", "--offset", "4"], "-1: has no offset 4, but [0, 3)"),
    ],
)
def test_what_is_not_there_is_named_and_ends_with_2(
    arguments: list[str], said: str, kafka: KafkaCluster, topic: str
) -> None:
    ended = kafka_loader("tail", topic, "-b", kafka.bootstrap_servers, *arguments)

    assert (ended.status, ended.output) == (2, "")
    assert said in ended.errors


def test_brokers_that_are_down_end_with_3(new_job: NewJobFunction) -> None:
    server = f"127.0.0.1:{choose_ports(1)[0]}"
    job = new_job("orders", kafka={"bootstrap_servers": [server], "request_timeout_ms": 1000})

    ended = kafka_loader("tail", "orders", "-c", str(job.config))

    assert ended.status == 3
    assert server in ended.errors


def test_a_topic_without_records_says_so_and_ends_with_0(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()

    ended = kafka_loader("tail", topic, "-b", kafka.bootstrap_servers)

    assert (ended.status, ended.output, ended.errors) == (0, "", f"no records: {topic}\n")


def test_a_closed_pipe_ends_it_quietly_with_0_also_while_nothing_comes(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, [Message(b"x" * 10_000, timestamp_ms=T0_MS + number) for number in range(30)])
    command = [COMMAND, "tail", topic, "-b", kafka.bootstrap_servers]
    readers = [
        subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        # The first is in the middle of more than a pipe holds, the second waits for what never comes.
        for options in (["--from", "earliest"], ["--last", "1", "--follow"])
    ]

    for reader in readers:
        with reader:
            assert reader.stdout is not None
            assert reader.stderr is not None
            assert reader.stdout.readline().endswith("x\n")
            reader.stdout.close()
            assert (reader.wait(30), reader.stderr.read()) == (0, "")


def test_help_tells_its_options_and_an_example() -> None:
    ended = kafka_loader("tail", "--help")

    assert ended.status == 0
    assert "Example: kafka-loader tail flights --config conf/quickstart.toml --follow" in ended.output
    for option in (
        "--last",
        "--from",
        "--partition",
        "--offset",
        "--count",
        "--follow",
        "--group",
        "--output",
    ):
        assert option in ended.output
