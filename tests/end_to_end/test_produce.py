"""`produce`: an independent client finds in the topic what was given, and what is told of it is true."""

import base64
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer as LibrdkafkaProducer

from loader.kafka_source.client import KafkaClient
from loader.kafka_source.metadata import read_listing
from loader.kafka_source.reader import RangeReader
from loader.kafka_source.settings import KafkaSettings
from loader.records.layout import BatchHeader, as_octets, scan
from loader.values import FetchedRecords, OffsetRange
from local_services.kafka import KafkaCluster
from local_services.ports import choose_ports
from tests.conftest import NewTopicFunction

from .conftest import NewJobFunction
from .folders import LocalFolder, published_paths
from .jobs import Ended, kafka_loader
from .oracle import read_by_librdkafka
from .producing import T0_MS, Ends, Message, ends_of, messages, produce, produce_oddly, wait_until
from .records import Record, assert_same_records

ODD = [
    Message(None, b"tombstone"),
    Message(None, None),
    Message(b"", b""),
    Message(b"\xff\x00\xfe", b"\x80", [("a", b"\xff"), ("a", b""), ("", b"\x00"), ("ž", b"1")]),
    Message("žluťoučký".encode(), b"k", [("trace", None)], T0_MS + 5, partition=1),
]

GiveFunction = Callable[[bytes], None]


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> GiveFunction:
    """`give(octets)`: standard input of the commands of this process."""

    def put(octets: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets)))

    return put


@pytest.fixture
def send(kafka: KafkaCluster, give: GiveFunction) -> Callable[..., Ended]:
    """`send(topic, lines, *options)`: produce from standard input."""

    def run(topic: str, octets: bytes, *options: str) -> Ended:
        give(octets)
        return kafka_loader("produce", topic, "-b", kafka.bootstrap_servers, *options)

    return run


def json_line(message: Message) -> bytes:
    """As `tail --output json` writes a record."""

    def part(name: str, octets: bytes | None) -> Mapping[str, Any]:
        try:
            return {name: None if octets is None else octets.decode()}
        except UnicodeDecodeError:
            return {f"{name}_base64": base64.b64encode(octets or b"").decode()}

    headers: list[Any] = []
    for key, value in message.headers:
        spelled = part("value", value)
        headers.append([key, spelled["value"]] if "value" in spelled else {"key": key, **spelled})
    document = {
        "topic": "another",
        "partition": message.partition,
        "offset": 4711,
        "timestamp_ms": None if message.timestamp_ms == -1 else message.timestamp_ms,
        "timestamp_type": 0,
        **part("key", message.key),
        **part("value", message.value),
        "headers": headers,
    }
    return json.dumps(document).encode() + b"\n"


def records_of(topic: str, sent: Sequence[Message]) -> list[Record]:
    """What is in a topic that had nothing before."""
    next_offsets = {message.partition: 0 for message in sent}
    records = []
    for message in sent:
        offset = next_offsets[message.partition]
        next_offsets[message.partition] += 1
        time_ms = None if message.timestamp_ms == -1 else message.timestamp_ms
        records.append(
            Record(
                topic,
                message.partition,
                offset,
                time_ms,
                0,
                message.key,
                message.value,
                tuple(message.headers),
            )
        )
    return records


def batches_of(kafka: KafkaCluster, topic: str) -> list[BatchHeader]:
    """The headers of the batches as the log has them, of partition 0."""
    settings = KafkaSettings(bootstrap_servers=(kafka.bootstrap_servers,), client_id="tests")
    end = ends_of(kafka, topic).high_watermark
    with KafkaClient(settings) as client:
        client.connect(30_000)
        topic_id = read_listing(client, [topic], ()).topics[topic].topic_id
        fetched = list(RangeReader(client).fetches(OffsetRange(topic, 0, 0, end), topic_id))
    return [
        header
        for each in fetched
        if isinstance(each, FetchedRecords)
        for header in scan(as_octets(each.records)).headers
    ]


def test_json_lines_become_exactly_the_records_that_they_tell(
    kafka: KafkaCluster, new_topic: NewTopicFunction, send: Callable[..., Ended]
) -> None:
    topic = new_topic(partitions=2)
    sent = [*ODD, Message(b"no time", timestamp_ms=-1), *messages(20, partition=1)]

    ended = send(topic, b"".join(map(json_line, sent)), "--from", "json", "--json")

    assert ended.status == 0, ended.errors
    assert_same_records(read_by_librdkafka(kafka, topic), records_of(topic, sent))
    document = ended.document
    assert document["partitions"] == [
        {"partition": 0, "start_offset": 0, "end_offset": 5, "record_count": 5},
        {"partition": 1, "start_offset": 0, "end_offset": 21, "record_count": 21},
    ]
    assert (document["record_count"], document["next_skip"], document["error"]) == (26, 26, None)
    headers = [len(key.encode()) + len(value or b"") for each in sent for key, value in each.headers]
    assert document["size_bytes"] == sum(headers) + sum(
        len(each.key or b"") + len(each.value or b"") for each in sent
    )


@pytest.mark.parametrize(
    ("codec", "codec_id", "is_idempotent"),
    [("none", 0, False), ("gzip", 1, True), ("snappy", 2, True), ("lz4", 3, False), ("zstd", 4, True)],
)
def test_batches_in_the_log_have_the_codec_and_the_producer_id_that_were_asked_for(
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    send: Callable[..., Ended],
    codec: str,
    codec_id: int,
    is_idempotent: bool,
) -> None:
    topic = new_topic()
    values = [b"line %d of a text that shrinks" % number for number in range(3_000)]
    options = ["--compression", codec, *(() if is_idempotent else ("--no-idempotence",))]

    ended = send(topic, b"\n".join(values), *options)

    assert ended.status == 0, ended.errors
    assert [record.value for record in read_by_librdkafka(kafka, topic)] == values
    batches = batches_of(kafka, topic)
    assert {batch.codec_id for batch in batches if batch.record_count > 100} == {codec_id}
    assert {batch.producer_id >= 0 for batch in batches} == {is_idempotent}
    if is_idempotent:
        assert len({batch.producer_id for batch in batches}) == 1
        assert [batch.base_sequence for batch in batches] == [batch.base_offset for batch in batches]


def test_lines_have_keys_headers_and_the_partition_that_the_java_client_would_choose(
    kafka: KafkaCluster, new_topic: NewTopicFunction, send: Callable[..., Ended]
) -> None:
    topic, by_java = new_topic(partitions=3), new_topic(partitions=3)
    keys = [
        b"",
        b"a",
        b"ab",
        b"abc",
        b"abcd",
        b"\xff\xfe",
        "klíč".encode(),
        *(b"key %d" % n for n in range(30)),
    ]

    ended = send(
        topic, b"".join(key + b"\tv:w\n" for key in keys), "--key-separator", "\\t", "--header", "by=me=I"
    )

    assert ended.status == 0, ended.errors
    # librdkafka's murmur2 is Java's, and held to it by its own tests.
    producer = LibrdkafkaProducer(
        {"bootstrap.servers": kafka.bootstrap_servers, "partitioner": "murmur2", "log_level": 0}
    )
    for key in keys:
        producer.produce(by_java, b"", key)
    assert producer.flush(30) == 0
    found = read_by_librdkafka(kafka, topic)
    expected = {record.key: record.partition for record in read_by_librdkafka(kafka, by_java)}
    assert {record.key: record.partition for record in found} == expected
    assert {(record.value, record.headers) for record in found} == {(b"v:w", (("by", b"me=I"),))}


def test_one_key_and_one_partition_are_for_all_lines(
    kafka: KafkaCluster, new_topic: NewTopicFunction, send: Callable[..., Ended], tmp_path: Path
) -> None:
    topic = new_topic(partitions=3)
    (tmp_path / "a.txt").write_bytes(b"1\n2\n")
    (tmp_path / "b.txt").write_bytes(b"3")

    files = [str(tmp_path / "a.txt"), (tmp_path / "b.txt").as_uri()]
    ended = send(topic, b"", *files, "--key", "klíč", "--partition", "2", "--rate", "1000")

    assert ended.status == 0, ended.errors
    found = read_by_librdkafka(kafka, topic)
    assert [(each.partition, each.offset, each.key, each.value) for each in found] == [
        (2, offset, "klíč".encode(), b"%d" % (offset + 1)) for offset in range(3)
    ]
    assert f"{topic}: 3 records acknowledged, 21 B, in " in ended.errors
    assert f"  {topic}-2[0, 3): 3 records\n" in ended.errors
    assert ended.output == ""


def test_lines_without_a_key_fill_one_batch_after_the_other_and_all_partitions(
    kafka: KafkaCluster, new_topic: NewTopicFunction, send: Callable[..., Ended]
) -> None:
    topic = new_topic(partitions=2)
    values = [b"%0999d" % number for number in range(3000)]

    document = send(topic, b"\n".join(values), "--json").document

    assert {each["partition"] for each in document["partitions"]} == {0, 1}
    assert sorted(record.value or b"" for record in read_by_librdkafka(kafka, topic)) == values


@pytest.fixture
def loaded(kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction) -> str:
    """A topic of two partitions, whose hours lie across its offsets, loaded by two runs."""
    topic = new_topic(partitions=2)
    job = new_job(topic)
    times = [T0_MS + number * 7 % 5 * 3_600_000 for number in range(40)]
    first = [replace(each, timestamp_ms=time) for each, time in zip(messages(40), times, strict=True)]
    produce(kafka, topic, [*first, *(each for each in ODD if each.partition == 1)])
    job.run()
    produce_oddly(kafka, topic, [Message(b"no time", b"k", timestamp_ms=-1)])
    produce(kafka, topic, [each for each in ODD if each.partition == 0])
    job.run()
    return topic


def test_a_topic_that_was_loaded_and_produced_again_has_the_same_records(
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    send: Callable[..., Ended],
    loaded: str,
    local_folder: LocalFolder,
) -> None:
    again = new_topic(partitions=2)

    ended = send(again, b"", f"{local_folder.url}/{loaded}", "--keep-partition", "--compression", "lz4")

    assert ended.status == 0, ended.errors
    expected = [replace(record, topic=again) for record in read_by_librdkafka(kafka, loaded)]
    assert len(expected) == 46
    assert_same_records(read_by_librdkafka(kafka, again), expected)


def test_without_keep_partition_rows_go_where_their_key_says_in_their_order(
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    send: Callable[..., Ended],
    loaded: str,
    local_folder: LocalFolder,
) -> None:
    again = new_topic()
    files = [
        str(local_folder.path / path) for path in published_paths(local_folder) if path.endswith(".parquet")
    ]

    ended = send(again, b"", *reversed(files), "--skip", "2")

    assert ended.status == 0, ended.errors
    source = sorted(read_by_librdkafka(kafka, loaded), key=lambda record: record.place)[2:]
    expected = [
        replace(record, topic=again, partition=0, offset=offset) for offset, record in enumerate(source)
    ]
    assert_same_records(read_by_librdkafka(kafka, again), expected)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({}, "the bytes of the value are not among their columns. Load the topic with keep_value = true"),
        ({"keep_value": True}, None),
        ({"keep_value": True, "key": {"format": "string"}}, "its keys are typed (string)"),
    ],
)
def test_typed_rows_are_produced_as_they_were_where_their_bytes_are_kept(
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    send: Callable[..., Ended],
    local_folder: LocalFolder,
    entry: Mapping[str, Any],
    said: str | None,
) -> None:
    topic, again = new_topic(), new_topic()
    values: list[bytes | None] = [b'{ "id" : 1.0 }', b'{"id":2, "other": "x"}', None]
    produce(kafka, topic, [Message(value, b"k", [("h", b"\xff")]) for value in values])
    new_job({"name": topic, "value": {"format": "json", "columns": {"id": "double"}}, **entry}).run()

    ended = send(again, b"", str(local_folder.path / topic))

    found = read_by_librdkafka(kafka, again)
    if said is None:
        assert ended.status == 0, ended.errors
        assert_same_records(found, [replace(each, topic=again) for each in read_by_librdkafka(kafka, topic)])
    else:
        assert ended.status == 2
        assert said in ended.errors
        assert found == []


def test_an_unknown_topic_is_not_created_and_an_unknown_partition_refused(
    new_topic: NewTopicFunction, kafka: KafkaCluster, send: Callable[..., Ended]
) -> None:
    topic = new_topic()

    first, second = (send(f"{topic}x", b"v") for _ in range(2))

    assert (first.status, second.status) == (2, 2)
    assert f"kafka-loader: {topic}x: the cluster has no such topic; did you mean {topic}" in second.errors
    absent = send(topic, b"v", "--partition", "7")
    assert absent.status == 2
    assert f"--partition 7: {topic} has partition 0 only. Nothing was sent." in absent.errors
    assert ends_of(kafka, topic) == Ends(0, 0)


@pytest.mark.parametrize(
    ("lines", "options", "said"),
    [
        ([b"a:1", b"b:2", b"c"], ["--key-separator", ":"], "line 3 of standard input: no ':' behind a key"),
        (
            [b'{"value": "1"}', b'{"value": "2"}', b'{"value": '],
            ["--from", "json"],
            "line 3 of standard input: not JSON: Expecting value at column 11",
        ),
        (
            [b'{"value": "1"}', b'{"value": "2"}', b'{"value": "3", "partition": 1}'],
            ["--from", "json"],
            "line 3 of standard input: partition 1: ",
        ),
    ],
)
def test_a_malformed_line_is_told_and_what_was_before_it_is_sent_and_nothing_behind(
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    send: Callable[..., Ended],
    lines: Sequence[bytes],
    options: Sequence[str],
    said: str,
) -> None:
    topic = new_topic()

    ended = send(topic, b"\n".join([*lines, lines[0]]), *options)

    assert ended.status == 2
    assert f"kafka-loader: {said}" in ended.errors
    assert "2 records before it were sent and acknowledged, and nothing behind it was sent" in ended.errors
    assert "with --skip 2." in ended.errors
    assert [record.value for record in read_by_librdkafka(kafka, topic)] == [b"1", b"2"]


def test_a_record_that_the_broker_refuses_is_named_with_how_many_are_there_and_how_to_go_on(
    kafka: KafkaCluster, new_topic: NewTopicFunction, send: Callable[..., Ended]
) -> None:
    topic = new_topic(config={"max.message.bytes": "2000"})
    lines = [*(b"small %d" % number for number in range(500)), b"x" * 3000, b"last"]

    ended = send(topic, b"\n".join(lines), "--json")

    document = ended.document
    assert (ended.status, document["exit_status"]) == (2, 2)
    assert (document["record_count"], document["next_skip"], document["acknowledged_behind_count"]) == (
        500,
        500,
        0,
    )
    assert document["error"]["kind"] == "RecordsRefused"
    said = document["error"]["message"]
    assert f"{topic}: line 501 of standard input was not acknowledged: the broker refuses it: " in said
    assert "MessageSizeTooLarge" in said
    assert "500 records before it were acknowledged" in said
    assert [record.value for record in read_by_librdkafka(kafka, topic)] == lines[:500]
    assert send(topic, b"\n".join([*lines[:500], b"last"]), "--skip", "500").status == 0
    assert [record.value for record in read_by_librdkafka(kafka, topic)] == [*lines[:500], b"last"]


def test_brokers_that_are_down_end_with_3(new_job: NewJobFunction, give: GiveFunction) -> None:
    (port,) = choose_ports(1)
    servers = {"bootstrap_servers": [f"127.0.0.1:{port}"], "request_timeout_ms": 1000}
    job = new_job("topic", kafka=servers)
    give(b"a\n")

    ended = kafka_loader("produce", "topic", "-c", str(job.config))

    assert ended.status == 3
    assert f"127.0.0.1:{port}" in ended.errors


def test_ctrl_c_sends_what_was_taken_and_tells_how_to_go_on(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    command = [str(Path(sys.executable).with_name("kafka-loader")), "produce", topic, "--json"]
    with subprocess.Popen(
        [*command, "-b", kafka.bootstrap_servers],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"1\n2\n3\nhalf of a li")
        process.stdin.flush()
        wait_until(lambda: ends_of(kafka, topic) == Ends(3, 3), "three records")

        os.kill(process.pid, signal.SIGINT)
        process.wait(30)  # with standard input still open
        output, errors = process.stdout.read(), process.stderr.read()  # type: ignore[union-attr]

    document = json.loads(output)
    assert (process.returncode, document["exit_status"]) == (130, 130)
    assert (document["record_count"], document["next_skip"], document["error"]) == (3, 3, None)
    assert errors.decode().startswith(
        "interrupted. To go on, give the same command and input, with --skip 3.\n"
    )
    assert "not committed" not in errors.decode()
    assert [record.value for record in read_by_librdkafka(kafka, topic)] == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--header", "name"], "--header name: needs name=value"),
        (["--key", "k", "--key-separator", ":"], "--key and --key-separator: only one"),
        (["--key", "k", "--from", "json"], "--key and --key-separator are for lines, and the input is json"),
        (["--from", "parquet"], "--from parquet: name the files"),
        (["--partition", "0", "--keep-partition"], "--partition and --keep-partition: only one"),
        (
            ["--keep-partition", "--no-keep-partition"],
            "--keep-partition and --no-keep-partition: only one",
        ),
        (["/not/there.jsonl"], "/not/there.jsonl: no such file or folder"),
        (["s3://bucket/folder"], "s3 is no file system"),
        (["{folder}"], "a folder without Parquet files"),
        (["{folder}/a.txt", "{folder}/b.json"], "the files are json and lines by their endings"),
    ],
)
def test_options_that_do_not_fit_are_refused_without_asking_a_broker(
    give: GiveFunction, tmp_path: Path, options: Sequence[str], said: str
) -> None:
    give(b"v\n")
    (nobody,) = choose_ports(1)
    for name in ("a.txt", "b.json"):
        (tmp_path / name).write_text("{}")

    given = [each.replace("{folder}", str(tmp_path)) for each in options]
    ended = kafka_loader("produce", "orders", "-b", f"127.0.0.1:{nobody}", *given)

    assert ended.status == 2
    assert said in ended.errors


def test_help_of_produce_tells_its_options_and_an_example() -> None:
    ended = kafka_loader("produce", "--help")

    assert ended.status == 0
    assert "Example: kafka-loader produce flights -c conf/quickstart.toml" in ended.output
    for option in ("--from", "--key", "--header", "--compression", "--rate", "--skip", "--json"):
        assert option in ended.output
