"""A topic's columns grow from run to run and are never lost; its rows lie by the time that it goes by."""

import json
import shutil
import time
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from loader.records.schema import RAW_SCHEMA
from loader.storage.local import LocalStorage
from loader.tables.table_schema import table_schema
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .conftest import NewJobFunction
from .folders import LocalFolder, commit_paths, published_paths
from .jobs import Job, kafka_loader
from .producing import HOUR_MS, T0_MS, Message, messages, produce

TEXT: Mapping[str, Any] = {"value": {"format": "string"}}
KAFKA = (
    "kafka: struct<topic: string, partition: int, offset: long, timestamp: timestamp, timestampType: int,"
    " key: binary, headers: list<struct<key: string, value: binary>>"
)


def columns_of(job: Job) -> Any:
    """By topic, as the newest commit has them."""
    return json.loads(job.folder.read(commit_paths(job.folder)[-1]))["commit"].get("columns")


def rows_of(job: Job, topic: str) -> list[dict[str, Any]]:
    paths = [path for path in published_paths(job.folder) if path.startswith(f"{topic}/")]
    return [
        row for path in paths for row in pq.read_table(pa.BufferReader(job.folder.read(path))).to_pylist()
    ]


def test_columns_grow_in_the_ledger_and_a_topic_of_which_they_cannot_fails_alone(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, local_folder: LocalFolder
) -> None:
    texts, raw = new_topic(), new_topic()
    produce(kafka, texts, messages(3))
    produce(kafka, raw, messages(3))
    first = new_job({"name": texts, **TEXT}, raw)
    first.run()
    assert columns_of(first) == {texts: f"struct<value: string, {KAFKA}>>"}

    # Keys were bytes, and are to be text: no column holds both.
    produce(kafka, texts, messages(2, first=3))
    produce(kafka, raw, messages(2, first=3))
    ended = new_job({"name": texts, **TEXT, "key": {"format": "string"}}, raw).try_run()

    assert ended.status == 4
    assert "column kafka.key: was binary and is string" in str(ended.document["failures"][texts])
    assert (len(rows_of(first, texts)), len(rows_of(first, raw))) == (3, 5)
    assert columns_of(first) == {texts: f"struct<value: string, {KAFKA}>>"}, "carried by a run of others"

    grown = new_job({"name": texts, **TEXT, "keep_value": True}, raw)
    assert grown.run()["row_count"] == 2
    first.run()  # nothing new
    produce(kafka, texts, messages(1, first=5))
    assert first.run()["row_count"] == 1, "what the job file has given up is null in new rows"

    assert columns_of(first) == {texts: f"struct<value: string, {KAFKA}, value: binary>>"}
    kept = {row["kafka"]["offset"]: row["kafka"].get("value") for row in rows_of(first, texts)}
    assert kept == {0: None, 1: None, 2: None, 3: b"value 3", 4: b"value 4", 5: None}
    known = columns_of(first)
    schema = table_schema(LocalStorage(local_folder.path), "job", texts)

    shutil.rmtree(local_folder.path / "_loader")
    assert kafka_loader("repair", str(first.config), "--json", "--yes").status == 0

    assert columns_of(first) == known
    assert table_schema(LocalStorage(local_folder.path), "job", texts) == schema


def test_a_raw_topic_that_gets_a_format_keeps_one_table_and_may_lose_it_again(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, local_folder: LocalFolder
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(2))
    raw = new_job(topic)
    raw.run()
    produce(kafka, topic, messages(2, first=2))

    refused = new_job({"name": topic, **TEXT}).try_run()

    assert refused.status == 4
    assert "column value: was binary and is string" in str(refused.document["failures"][topic])
    assert "by rename in its" in str(refused.document["failures"][topic])

    new_job({"name": topic, **TEXT, "rename": {"value": "words"}}).run()
    produce(kafka, topic, messages(2, first=4))
    raw.run()

    schema = table_schema(LocalStorage(local_folder.path), "job", topic)
    assert schema.names == [*RAW_SCHEMA.names, "words", "kafka"]
    table = ds.dataset(f"{local_folder.path}/{topic}", schema=schema, format="parquet").to_table()
    found = {
        row["offset"] if row["kafka"] is None else row["kafka"]["offset"]: row for row in table.to_pylist()
    }
    assert {offset: (row["value"], row["words"]) for offset, row in found.items()} == {
        offset: (None, f"value {offset}") if offset in (2, 3) else (b"value %d" % offset, None)
        for offset in range(6)
    }
    checked = kafka_loader("verify", str(raw.config), "--json", "--deep", "--against-kafka")
    assert (checked.status, checked.document["problems"]) == (0, [])


def test_absurd_times_go_to_the_quarantine_or_lie_by_load_time_as_each_topic_says(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    now_ms = time.time_ns() // 1_000_000
    times_ms = [now_ms, now_ms - 400 * 24 * HOUR_MS, now_ms + 30 * 60_000, now_ms - 9 * HOUR_MS, 1]
    strict, patient, late, texts = (new_topic() for _ in range(4))
    for topic in (strict, patient, late, texts):
        produce(kafka, topic, [Message(b"v%d" % at, timestamp_ms=ms) for at, ms in enumerate(times_ms)])
    bounds = {"oldest_days": 365, "future_minutes": 10, "max_bad_records": 3}
    job = new_job(
        {"name": strict, "absurd_times": "quarantine", **bounds},
        {"name": texts, "absurd_times": "quarantine", **bounds, **TEXT},
        {"name": patient, "absurd_times": "load_time", **bounds},
        {"name": late, "time": "load"},
    )

    before_ms = time.time_ns() // 1_000_000
    report = job.run()
    after_ms = time.time_ns() // 1_000_000

    assert (report["row_count"], report["quarantined_count"]) == (14, 6)
    quarantined = {
        (row["topic"], row["value"], row["format"], row["error_class"])
        for path in job.folder.paths()
        if path.startswith("_quarantine/")
        for row in pq.read_table(pa.BufferReader(job.folder.read(path))).to_pylist()
    }
    assert quarantined == {
        (topic, value, "time", "absurd-time") for topic in (strict, texts) for value in (b"v1", b"v2", b"v4")
    }
    assert {row["value"] for row in rows_of(job, strict)} == {b"v0", b"v3"}
    assert {row["value"] for row in rows_of(job, texts)} == {"v0", "v3"}

    hours = [{folder(ms) for ms in (before_ms, after_ms)}, {folder(times_ms[0])}, {folder(times_ms[3])}]
    loaded, own, older = hours
    by_value = values_by_folder(job, patient)
    assert by_value.keys() <= loaded | own | older
    assert {b"v1", b"v2", b"v4"} <= set().union(*(by_value.get(each, set()) for each in loaded))
    assert b"v3" in by_value[older.pop()]
    assert set(values_by_folder(job, late)) <= loaded
    assert len(rows_of(job, late)) == 5
    checked = kafka_loader("verify", str(job.config), "--json", "--deep", "--against-kafka")
    assert (checked.status, checked.document["problems"]) == (0, [])


def test_rows_lie_by_a_field_of_their_value_and_a_field_that_is_no_time_stops_its_topic(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    late_ms = T0_MS - 30 * HOUR_MS
    values = [b'{"at": %d}' % T0_MS, b'{"at": %d}' % late_ms, b"{}", None, b'{"at": %d}' % (T0_MS + 1)]
    produce(kafka, topic, [Message(value, timestamp_ms=T0_MS + 99 * HOUR_MS) for value in values])
    json_value = {"format": "json", "columns": {"at": "timestamp(ms)", "n": "long"}}
    entry = {"name": topic, "value": json_value, "rename": {"at": "hour_of"}}

    refused = new_job({**entry, "time": {"field": "n"}}).try_run()
    job = new_job({**entry, "time": {"field": "hour_of"}})
    job.run()

    assert refused.status == 2
    assert "time.field: n is long, no time" in str(refused.document["failures"][topic])
    offsets: dict[str, set[int]] = {}
    for path in published_paths(job.folder):
        rows = pq.read_table(pa.BufferReader(job.folder.read(path))).to_pylist()
        place = path.removeprefix(f"{topic}/").rpartition("/")[0]
        offsets.setdefault(place, set()).update(row["kafka"]["offset"] for row in rows)
    no_time = "__HIVE_DEFAULT_PARTITION__"
    assert offsets == {
        folder(T0_MS): {0, 4},
        folder(late_ms): {1},
        f"dt={no_time}/hour={no_time}": {2, 3},
    }


def test_too_many_absurd_times_fail_the_topic_before_anything_is_committed(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(4))  # of 2024: a first load of old records is all too old
    assert time.time() * 1000 - T0_MS > 365 * 24 * HOUR_MS
    job = new_job({"name": topic, "absurd_times": "quarantine"})

    ended = job.try_run()

    assert ended.status != 0
    assert "absurd-time" in str(ended.document["failures"][topic])
    assert published_paths(job.folder) == []
    assert new_job(topic).run()["row_count"] == 4


def folder(timestamp_ms: int) -> str:
    return time.strftime("dt=%Y-%m-%d/hour=%H", time.gmtime(timestamp_ms // 1000))


def values_by_folder(job: Job, topic: str) -> dict[str, set[bytes]]:
    found: dict[str, set[bytes]] = {}
    for path in published_paths(job.folder):
        if path.startswith(f"{topic}/"):
            table = pq.read_table(pa.BufferReader(job.folder.read(path)))
            place = path.removeprefix(f"{topic}/").rpartition("/")[0]
            found.setdefault(place, set()).update(table["value"].to_pylist())
    return found
