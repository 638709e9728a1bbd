"""A topic with a format: each record is a typed row or in the quarantine, and both are one answer."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from loader import task as task_module
from loader.errors import ConfigError, StorageUnavailable
from loader.formats.string import StringSpec
from loader.formats.topic_format import TopicFormat
from loader.planning.coverage import check_coverage
from loader.storage.local import LocalStorage
from loader.values import DataFile, OffsetRange, RangeCounts
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction
from tests.end_to_end.producing import Message, produce
from tests.formats.examples import Registry
from tests.kafka_source.asking import delete_records

from .jobs import RUN_FOLDER, a_split, a_task, run, staged

TEXT = TopicFormat(value=StringSpec())
SENT = [
    Message(b"\xff bad \x00" if number % 4 == 1 else b"text %d" % number, b"key %d" % number)
    for number in range(40)
]
BAD_OFFSETS = list(range(1, 40, 4))


def read(folder: Path, file: DataFile) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.ParquetFile(folder / RUN_FOLDER / file.staged_name).read().to_pylist()
    return rows


@pytest.fixture
def topic(kafka: KafkaCluster, new_topic: NewTopicFunction) -> str:
    name = new_topic()
    produce(kafka, name, SENT)
    return name


def test_what_cannot_be_decoded_is_kept_apart_and_counted(
    kafka: KafkaCluster, topic: str, tmp_path: Path
) -> None:
    task = replace(a_task(kafka.bootstrap_servers, tmp_path, [topic]), formats={topic: TEXT})
    split = a_split(OffsetRange(topic, 0, 0, 40))

    result = pickle.loads(pickle.dumps(task)).run(split, lambda _: None)  # noqa: S301  our own bytes

    assert result.failures == ()
    assert [loaded.counts for loaded in result.loaded] == [RangeCounts(row_count=30, quarantined_count=10)]
    rows, quarantine = result.files
    assert (rows.is_quarantine, quarantine.is_quarantine) == (False, True)
    assert [(row["value"], row["kafka"]["offset"]) for row in read(tmp_path, rows)] == [
        (f"text {number}", number) for number in range(40) if number not in BAD_OFFSETS
    ]
    assert [
        (row["value"], row["key"], row["offset"], row["format"], row["error_class"], row["run_id"])
        for row in read(tmp_path, quarantine)
    ] == [
        (b"\xff bad \x00", b"key %d" % number, number, "string", "not-utf-8", "run-a")
        for number in BAD_OFFSETS
    ]
    assert staged(tmp_path) == {file.staged_name for file in result.files}
    assert list(map(str, result.bad_records)) == [
        f'{topic}-0@{number}: not-utf-8: no UTF-8 from byte 0 on; value begins "\\xff bad \\u0000"'
        for number in (1, 5, 9)
    ]
    copy = pickle.loads(pickle.dumps(result))  # noqa: S301  our own bytes
    assert check_coverage([split], [copy], max_bad_records={topic: 10}).files == result.files


def test_a_task_closes_where_it_learnt_of_schemas_whatever_comes_of_it(
    kafka: KafkaCluster, topic: str, tmp_path: Path
) -> None:
    registry = Registry()
    task = replace(a_task(kafka.bootstrap_servers, tmp_path, [topic]), schemas=registry)
    taken = TopicFormat(value=StringSpec(), rename={"value": "kafka"})

    for each in (task, replace(task, formats={topic: taken})):
        result = run(each, OffsetRange(topic, 0, 0, 40))

    assert [type(each.error) for each in result.failures] == [ConfigError]
    assert registry.closed_count == 2


def test_a_failing_topic_removes_its_rows_and_its_quarantine(
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    topic: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    created: list[str] = []

    class Watched(LocalStorage):
        def create(self, path: str) -> Any:
            created.append(path.rpartition("-")[2])
            return super().create(path)

    failing = new_topic("a-" + topic, partitions=2)
    large = [Message(b"\xff" * 1000 if number % 2 else b"x" * 1000) for number in range(100)]
    produce(kafka, failing, [*large, *(Message(partition=1) for _ in range(10))])
    delete_records(kafka, failing, 5, partition=1)
    task = a_task(kafka.bootstrap_servers, tmp_path, [topic, failing], row_group_bytes=16 * 1024)
    task = replace(task, formats={topic: TEXT, failing: TEXT})
    monkeypatch.setattr(task_module, "open_storage", lambda _: Watched(tmp_path))

    result = run(
        task,
        OffsetRange(failing, 0, 0, 100),
        OffsetRange(failing, 1, 0, 10),
        OffsetRange(topic, 0, 0, 40),
    )

    assert [each.topic for each in result.failures] == [failing]
    assert created == ["0.parquet", "q0.parquet"] * 2
    assert {file.ranges[0].topic for file in result.files} == {topic}
    assert {each.topic for each in result.bad_records} == {topic}
    assert staged(tmp_path) == {file.staged_name for file in result.files}


def test_where_the_quarantine_cannot_be_written_the_rows_are_removed_too(
    kafka: KafkaCluster, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = replace(a_task(kafka.bootstrap_servers, tmp_path, [topic]), formats={topic: TEXT})

    class Failing(LocalStorage):
        def create(self, path: str) -> Any:
            if "-q" in path:
                raise StorageUnavailable("gone")
            return super().create(path)

    monkeypatch.setattr(task_module, "open_storage", lambda _: Failing(tmp_path))
    result = run(task, OffsetRange(topic, 0, 0, 40))

    assert [str(each.error) for each in result.failures] == ["gone"]
    assert (result.loaded, result.files, result.bad_records) == ((), (), ())
    assert staged(tmp_path) == set()


def test_a_format_whose_names_cannot_be_columns_fails_its_topic_before_anything_is_written(
    kafka: KafkaCluster, topic: str, tmp_path: Path
) -> None:
    taken = TopicFormat(value=StringSpec(), rename={"value": "kafka"})
    task = replace(a_task(kafka.bootstrap_servers, tmp_path, [topic]), formats={topic: taken})

    result = run(task, OffsetRange(topic, 0, 0, 40))

    assert [type(each.error) for each in result.failures] == [ConfigError]
    assert staged(tmp_path) == set()
