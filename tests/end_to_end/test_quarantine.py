"""Records that cannot be decoded stop nothing and do not vanish: each is a row or in the quarantine, once."""

import base64
import itertools
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .conftest import NewFolderFunction, NewJobFunction
from .crashes import killed_before_write
from .folders import Folder, LocalFolder, published_paths, staged_paths
from .jobs import Ended, Job, kafka_loader
from .oracle import read_by_librdkafka
from .producing import T0_MS, Message, produce
from .records import Record, assert_same_records

TEXT: Mapping[str, Any] = {"value": {"format": "string"}}
BAD = b"caf\xe9 \x00"


def sent(count: int, *, every: int = 4, partition: int = 0) -> list[Message]:
    """Records of two hours; of each `every` one is no text, and one has no value."""
    return [
        Message(
            BAD if number % every == 1 else None if number % every == 2 else b"text %d" % number,
            b"key %d" % number,
            [("h", b"%d" % number)] if number % 3 == 0 else (),
            T0_MS + number % 2 * 3_600_000,
            partition,
        )
        for number in range(count)
    ]


def quarantine_paths(folder: Folder) -> list[str]:
    return [path for path in folder.paths() if path.startswith("_quarantine/")]


def quarantine_table(folder: Folder) -> pa.Table:
    return pa.concat_tables(
        pq.read_table(pa.BufferReader(folder.read(path))) for path in quarantine_paths(folder)
    )


def as_records(rows: list[dict[str, Any]]) -> list[Record]:
    return [
        Record(
            topic=row["topic"],
            partition=row["partition"],
            offset=row["offset"],
            timestamp_ms=round(row["timestamp"].timestamp() * 1000),
            timestamp_type=row["timestampType"],
            key=row["key"],
            value=row["value"],
            headers=tuple((header["key"], header["value"]) for header in row["headers"] or ()),
        )
        for row in rows
    ]


def records_of(folder: Folder) -> tuple[list[Record], list[Record]]:
    """The typed rows, their texts as bytes, and what is in the quarantine."""
    typed = read_table_of(folder).to_pylist() if published_paths(folder) else []
    texts = [None if row["value"] is None else row["value"].encode() for row in typed]
    rows = [{**row["kafka"], "value": text} for row, text in zip(typed, texts, strict=True)]
    bad = quarantine_table(folder).to_pylist() if quarantine_paths(folder) else []
    return as_records(rows), as_records(bad)


def read_table_of(folder: Folder) -> pa.Table:
    """The published rows of files of one schema."""
    return pa.concat_tables(
        pq.read_table(pa.BufferReader(folder.read(path))) for path in published_paths(folder)
    )


def is_text(record: Record) -> bool:
    return record.value != BAD


def verified(job: Job, *options: str) -> Ended:
    return kafka_loader("verify", str(job.config), "--json", *options)


def problems(ended: Ended) -> list[tuple[str, str]]:
    return [(each["kind"], each["message"]) for each in ended.document["problems"]]


def of_topic(topic: str, **entry: Any) -> dict[str, Any]:
    return {"name": topic, **TEXT, "max_bad_records": 0.5, **entry}


@pytest.fixture
def topic(kafka: KafkaCluster, new_topic: NewTopicFunction) -> str:
    """Two partitions, 60 records, 15 of them no text."""
    name = new_topic(partitions=2)
    produce(kafka, name, [*sent(40), *sent(20, partition=1)])
    return name


def assert_all_there(job: Job, expected: list[Record]) -> None:
    """Rows and quarantine are what another client has read, and the proof finds nothing."""
    rows, bad = records_of(job.folder)
    assert_same_records(rows, filter(is_text, expected))
    assert_same_records(bad, [record for record in expected if not is_text(record)])
    checked = verified(job, "--deep")
    assert (checked.status, problems(checked)) == (0, [])


@pytest.mark.parametrize("kind", ["local", "hdfs"])
def test_each_record_is_a_row_or_in_the_quarantine_as_another_client_reads_it(
    kafka: KafkaCluster, topic: str, new_folder: NewFolderFunction, new_job: NewJobFunction, kind: str
) -> None:
    pattern = {"pattern": f"{topic[:-1]}[0-9]", **TEXT, "max_bad_records": 0.5}
    job = new_job(pattern, folder=new_folder(kind))

    report = job.run()

    assert_all_there(job, read_by_librdkafka(kafka, topic))
    assert (report["row_count"], report["quarantined_count"]) == (45, 15)
    assert sorted(each["quarantined_count"] for each in report["ranges"]) == [5, 10]
    reasons = {
        (row["format"], row["schema_id"], row["error_class"], row["error_text"], row["run_id"])
        for row in quarantine_table(job.folder).to_pylist()
    }
    assert reasons == {("string", None, "not-utf-8", "no UTF-8 from byte 3 on", report["run_id"])}
    checked = verified(job, "--against-kafka")
    assert (checked.status, problems(checked)) == (0, [])
    assert (checked.document["row_count"], checked.document["quarantined_count"]) == (45, 15)
    assert checked.document["compared"]["row_count"] >= 60


def test_a_topic_with_too_many_bad_records_commits_nothing_and_the_others_go_on(
    kafka: KafkaCluster, topic: str, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    raw, strict = new_topic(), new_topic()
    produce(kafka, raw, sent(8))
    produce(kafka, strict, sent(8))
    job = new_job(of_topic(topic), raw, {"name": strict, **TEXT})

    ended = job.try_run()

    (error,) = ended.document["failures"][strict]
    assert ended.status == ended.document["exit_status"] == 4
    assert list(ended.document["failures"]) == [strict]
    assert error["message"].splitlines()[:3] == [
        f"{strict}: 2 of 8 records cannot be decoded, and max_bad_records allows 1 %. Nothing of this topic"
        " was committed; what is in Kafka is safe. The first:",
        f'    {strict}-0@1: not-utf-8: no UTF-8 from byte 3 on; value begins "caf\\xe9 \\u0000"',
        f'    {strict}-0@5: not-utf-8: no UTF-8 from byte 3 on; value begins "caf\\xe9 \\u0000"',
    ]
    assert not [path for path in job.folder.paths() if strict in path]
    assert staged_paths(job.folder) == []
    assert {each["topic"] for each in ended.document["ranges"] if each["row_count"]} == {topic, raw}

    allowed = new_job(of_topic(topic), raw, {"name": strict, **TEXT, "max_bad_records": 2}).run()

    assert (allowed["row_count"], allowed["quarantined_count"]) == (6, 2)


def test_a_topic_of_bad_records_only_passes_by_a_number_and_has_no_file_of_rows(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, [Message(BAD)] * 5)

    refused = new_job(of_topic(topic, max_bad_records=0.999)).try_run()
    job = new_job(of_topic(topic, max_bad_records=5))
    job.run()

    assert refused.status == 4
    assert published_paths(job.folder) == []
    assert [record.offset for record in records_of(job.folder)[1]] == [0, 1, 2, 3, 4]
    checked = verified(job)
    assert (checked.status, problems(checked)) == (0, [])


def test_the_quarantine_is_listed_and_shown_with_all_bytes(
    kafka: KafkaCluster, topic: str, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    other = new_topic()
    produce(kafka, other, [Message(b"good", b"\xff key", timestamp_ms=T0_MS), Message(b"good")])
    job = new_job(of_topic(topic), of_topic(other, key={"format": "string"}))

    told = kafka_loader("run", str(job.config), "--processes", "1")
    listed = kafka_loader("quarantine", "list", str(job.config), "--json")
    shown = kafka_loader("quarantine", "show", str(job.config), topic, "--limit", "12", "--json")
    words = kafka_loader("quarantine", "show", str(job.config), other)
    of_no_kind = kafka_loader("quarantine", "show", str(job.config), topic, "--error", "not-json", "--json")

    assert f"16 records could not be decoded; see kafka-loader quarantine list {job.config}" in told.errors
    kinds = [
        {"topic": topic, "format": "string", "record_count": 15, "latest_ms": T0_MS + 3_600_000},
        {"topic": other, "format": "key: string", "record_count": 1, "latest_ms": T0_MS},
    ]
    assert listed.document == [
        {**kind, "error_class": "not-utf-8", "earliest_ms": kind["latest_ms"]}
        for kind in sorted(kinds, key=lambda kind: str(kind["topic"]))
    ]
    bad = {record.place: record for record in read_by_librdkafka(kafka, topic) if not is_text(record)}
    places = [(each["topic"], each["partition"], each["offset"]) for each in shown.document]
    assert places == sorted(bad)[:12]
    for each, place in zip(shown.document, places, strict=True):
        assert base64.b64decode(each["value_base64"]) == BAD
        assert base64.b64decode(each["key_base64"]) == bad[place].key
        assert each["timestamp_ms"] == bad[place].timestamp_ms
        headers = tuple((key, base64.b64decode(value)) for key, value in each["headers"])
        assert headers == bad[place].headers
        assert each["error_text"] == "no UTF-8 from byte 3 on"
    assert words.output.splitlines() == [
        f"{other}-0@0  2024-02-29 10:00:00Z  key: string  not-utf-8",
        "    no UTF-8 from byte 0 on",
        '    key: "\\xff key"',
        '    value: "good"',
    ]
    assert (of_no_kind.status, of_no_kind.document) == (0, [])


def test_a_job_without_bad_records_has_an_empty_quarantine_and_a_lost_file_is_told(
    kafka: KafkaCluster,
    topic: str,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    local_folder: LocalFolder,
) -> None:
    raw = new_topic()
    produce(kafka, raw, sent(4))
    job = new_job(raw)
    job.run()
    empty = kafka_loader("quarantine", "list", str(job.config))
    new_job(raw, of_topic(topic)).run()
    (path,) = quarantine_paths(job.folder)
    (local_folder.path / path).unlink()
    lost = kafka_loader("quarantine", "show", str(job.config), topic)

    assert (empty.status, empty.output) == (0, "nothing is in the quarantine of job job\n")
    assert lost.status == 4
    assert f"{path} is missing, with 15 records that commit 2 put into the quarantine" in lost.errors


def test_a_run_killed_before_any_of_its_writes_leaves_rows_and_quarantine_to_the_next(
    kafka: KafkaCluster, topic: str, new_job: NewJobFunction, tmp_path: Path
) -> None:
    expected = read_by_librdkafka(kafka, topic)
    for number in itertools.count(1):
        job = new_job(of_topic(topic), folder=LocalFolder(tmp_path / f"killed-{number}"))
        if not killed_before_write(job.config, number):
            break

        job.run()

        assert_all_there(job, expected)
        assert staged_paths(job.folder) == []
    assert number > 10  # two files are begun, finished and moved, besides what every run writes


def test_a_quarantine_file_that_is_gone_or_there_twice_is_found(
    kafka: KafkaCluster, topic: str, new_job: NewJobFunction, local_folder: LocalFolder
) -> None:
    job = new_job(of_topic(topic))
    job.run()
    (path,) = quarantine_paths(job.folder)
    place = local_folder.path / path
    copy = place.with_name("copy.parquet")
    copy.write_bytes(place.read_bytes())

    doubled = problems(verified(job))
    place.unlink()
    moved = problems(verified(job))
    copy.rename(place)

    assert [kind for kind, _ in doubled] == ["stray-file"]
    assert f"a copy of {path}" in doubled[0][1]
    assert [kind for kind, _ in moved] == ["file-missing", "stray-file"]
    assert "with 15 rows of" in moved[0][1]
    assert_all_there(job, read_by_librdkafka(kafka, topic))


def test_rows_in_the_quarantine_too_are_found(
    topic: str, new_job: NewJobFunction, local_folder: LocalFolder
) -> None:
    """A row moved from one to the other changes no total; each side is counted by itself."""
    job = new_job(of_topic(topic))
    job.run()
    (path,) = quarantine_paths(job.folder)
    place = local_folder.path / path
    parquet = pq.ParquetFile(place)
    table = parquet.read()
    offsets = [2 if offset == 1 else offset for offset in table["offset"].to_pylist()]
    changed = table.set_column(
        table.schema.get_field_index("offset"), "offset", pa.array(offsets, pa.int64())
    )
    pq.write_table(changed.replace_schema_metadata(parquet.metadata.metadata), place)

    found = problems(verified(job))

    assert {kind for kind, _ in found} >= {"offset-twice", "offset-missing"}
    assert any("1 of 10 quarantined records are in no file" in message for _, message in found)


@pytest.mark.parametrize("harm", ["ledger lost", "quarantine lost"])
def test_a_repair_finds_the_quarantine_in_the_files(
    kafka: KafkaCluster, topic: str, new_job: NewJobFunction, local_folder: LocalFolder, harm: str
) -> None:
    job = new_job(of_topic(topic))
    job.run()
    produce(kafka, topic, sent(4))
    job.run()
    lost = harm == "quarantine lost"
    if lost:
        first = min(quarantine_paths(job.folder), key=lambda path: "-p0-" not in path)
        (local_folder.path / first).unlink()
    else:
        shutil.rmtree(local_folder.path / "_loader")

    ended = kafka_loader("repair", str(job.config), "--yes", "--json", *(["--accept-loss"] if lost else []))

    assert ended.status == 0, ended.errors
    checked = verified(job)
    assert (checked.status, problems(checked)) == (0, [])
    totals = [
        sum(each[name] for each in checked.document["partitions"])
        for name in ("row_count", "quarantined_count", "lost_count")
    ]
    assert totals == ([48, 1, 15] if lost else [48, 16, 0])
    assert job.run()["row_count"] == 0


def test_a_lost_ledger_is_noticed_by_the_quarantine_alone(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, local_folder: LocalFolder
) -> None:
    topic = new_topic()
    produce(kafka, topic, [Message(BAD)] * 3)
    job = new_job(of_topic(topic, max_bad_records=3))
    job.run()
    shutil.rmtree(local_folder.path / "_loader")

    ended = job.try_run()

    assert ended.status == 4
    assert f"_quarantine/{topic} holds files" in ended.errors
    assert len(quarantine_paths(job.folder)) == 1


def test_a_name_that_no_column_can_have_fails_its_topic_before_anything_is_written(
    kafka: KafkaCluster, topic: str, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    good = new_topic()
    produce(kafka, good, sent(4))
    job = new_job(of_topic(topic, rename={"value": "Kafka"}), of_topic(good, rename={"value": "text"}))

    ended = job.try_run()

    assert ended.status == 2
    assert 'the field "value", renamed to "Kafka", cannot be a column' in ended.errors
    assert not [path for path in job.folder.paths() if topic in path]
    assert sorted(read_table_of(job.folder).schema.names) == ["kafka", "text"]
