"""One split: what failed is a value, what did not is complete, and only its own files are touched."""

import pickle
import platform
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from loader import task as task_module
from loader.commits.runs import RunTicket
from loader.errors import (
    BrokerUnavailable,
    ConfigError,
    OffsetsExpired,
    StorageFull,
    StorageUnavailable,
)
from loader.storage.local import LocalStorage
from loader.values import OffsetRange, SplitResult
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction
from tests.end_to_end.producing import messages, produce
from tests.kafka_source.asking import delete_records, settings

from .jobs import RUN_FOLDER, a_task, run, staged


def offsets_by_topic(folder: Path, result: SplitResult) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for file in result.files:
        table = pq.ParquetFile(folder / RUN_FOLDER / file.staged_name).read()
        found.setdefault(file.ranges[0].topic, []).extend(table["offset"].to_pylist())
    return {topic: sorted(offsets) for topic, offsets in found.items()}


@pytest.fixture
def topics(kafka: KafkaCluster, new_topic: NewTopicFunction) -> list[str]:
    """Three topics of ten records."""
    names = sorted(new_topic() for _ in range(3))
    for name in names:
        produce(kafka, name, messages(10))
    return names


def whole(topic: str) -> OffsetRange:
    return OffsetRange(topic, 0, 0, 10)


def test_a_split_of_several_topics_comes_back_whole(
    kafka: KafkaCluster, topics: list[str], tmp_path: Path
) -> None:
    task = a_task(kafka.bootstrap_servers, tmp_path, topics)
    began_s = time.monotonic()
    result = run(task, *map(whole, topics))
    took_ms = (time.monotonic() - began_s) * 1000

    assert [loaded.range for loaded in result.loaded] == [whole(topic) for topic in topics]
    assert result.duration_ms is not None
    assert 0 < result.duration_ms <= took_ms + 1
    assert result.host == platform.node()
    assert all(loaded.counts.row_count == 10 for loaded in result.loaded)
    assert all(loaded.fetched_bytes > 0 and loaded.leader_epoch == 0 for loaded in result.loaded)
    assert offsets_by_topic(tmp_path, result) == {topic: list(range(10)) for topic in topics}
    assert staged(tmp_path) == {file.staged_name for file in result.files}
    assert result.failures == ()
    assert pickle.loads(pickle.dumps(result)) == result  # noqa: S301  our own bytes


def test_a_topic_that_fails_does_not_take_the_others_with_it(
    kafka: KafkaCluster, topics: list[str], tmp_path: Path
) -> None:
    delete_records(kafka, topics[1], 5)

    result = run(a_task(kafka.bootstrap_servers, tmp_path, topics), *map(whole, topics))

    (failure,) = result.failures
    assert failure.topic == topics[1]
    assert isinstance(failure.error, OffsetsExpired)
    assert [loaded.range.topic for loaded in result.loaded] == [topics[0], topics[2]]
    assert offsets_by_topic(tmp_path, result) == {topic: list(range(10)) for topic in (topics[0], topics[2])}
    copy = pickle.loads(pickle.dumps(result))  # noqa: S301  our own bytes
    assert str(copy.failures[0].error) == str(failure.error)


def test_what_a_failed_topic_staged_is_removed_and_nothing_else(
    kafka: KafkaCluster, topics: list[str], tmp_path: Path
) -> None:
    task = a_task(kafka.bootstrap_servers, tmp_path, topics)
    strangers = tmp_path / RUN_FOLDER / "another-attempt-0-0.parquet"
    strangers.write_bytes(b"of another attempt at this split")
    delete_records(kafka, topics[0], 5)

    result = run(task, OffsetRange(topics[0], 0, 5, 10), whole(topics[1]))
    failed = run(task, whole(topics[0]))

    assert [str(each.error)[:20] for each in failed.failures]
    assert staged(tmp_path) == {strangers.name} | {file.staged_name for file in result.files}


@pytest.mark.parametrize("error", [StorageUnavailable("gone"), StorageFull("full")], ids=repr)
def test_a_file_system_that_fails_fails_every_topic_that_is_not_done(
    kafka: KafkaCluster,
    topics: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: StorageUnavailable | StorageFull,
) -> None:
    task = a_task(kafka.bootstrap_servers, tmp_path, topics)
    created = 0

    class Failing(LocalStorage):
        def create(self, path: str) -> Any:
            nonlocal created
            created += 1
            if created > 1:
                raise error
            return super().create(path)

    monkeypatch.setattr(task_module, "open_storage", lambda _: Failing(tmp_path))
    result = run(task, *map(whole, topics))

    assert [loaded.range.topic for loaded in result.loaded] == topics[:1]
    assert [(each.topic, each.error) for each in result.failures] == [(topic, error) for topic in topics[1:]]
    assert staged(tmp_path) == {file.staged_name for file in result.files}


def test_a_task_that_does_not_see_the_drivers_folder_writes_nothing(
    kafka: KafkaCluster, topics: list[str], tmp_path: Path
) -> None:
    task = a_task(kafka.bootstrap_servers, tmp_path, topics)
    (tmp_path / RUN_FOLDER / "run.json").unlink()

    result = run(task, *map(whole, topics))

    assert [type(each.error) for each in result.failures] == [ConfigError] * 3
    assert (result.loaded, result.files) == ((), ())
    assert staged(tmp_path) == set()


def test_a_cluster_that_is_gone_fails_every_topic(
    kafka: KafkaCluster, topics: list[str], tmp_path: Path
) -> None:
    nowhere = settings("127.0.0.1:1", request_timeout_ms=500, stall_timeout_s=0.5)
    task = a_task(kafka.bootstrap_servers, tmp_path, topics, kafka=nowhere)

    result = run(task, *map(whole, topics))

    assert [(each.topic, type(each.error)) for each in result.failures] == [
        (topic, BrokerUnavailable) for topic in topics
    ]


def test_two_attempts_at_one_split_never_meet(kafka: KafkaCluster, topics: list[str], tmp_path: Path) -> None:
    task = a_task(kafka.bootstrap_servers, tmp_path, topics)

    first, second = run(task, whole(topics[0])), run(task, whole(topics[0]))

    assert first.attempt_id != second.attempt_id
    assert {file.path for file in first.files}.isdisjoint(file.path for file in second.files)
    assert staged(tmp_path) == {file.staged_name for file in (*first.files, *second.files)}


def test_a_bug_is_not_mistaken_for_a_topics_failure(
    kafka: KafkaCluster, topics: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = a_task(kafka.bootstrap_servers, tmp_path, topics)

    def fail(*_: object) -> RunTicket:
        raise TypeError("a bug")

    monkeypatch.setattr(task_module, "require_ticket", fail)
    with pytest.raises(TypeError, match="a bug"):
        run(task, whole(topics[0]))
