"""A topic of the same name, or brokers at the same address, may not be those that were loaded before."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loader.kafka_source.client import KafkaClient
from local_services.kafka import KafkaCluster
from local_services.ports import choose_ports
from tests.conftest import NewTopicFunction
from tests.kafka_source.asking import create

from .conftest import NewJobFunction
from .folders import LocalFolder, commit_paths
from .jobs import Job, kafka_loader, write_config
from .oracle import read_by_librdkafka
from .producing import messages, produce
from .records import assert_same_records, offsets_of
from .test_failing_topics import recreate


@pytest.mark.parametrize("record_count", [5, 40], ids=["shorter", "longer"])
def test_a_recreated_topic_is_not_taken_for_the_old_one_whatever_its_length(
    record_count: int, kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    recreated, healthy = new_topic(), new_topic()
    job = new_job(recreated, healthy)
    for topic in (recreated, healthy):
        produce(kafka, topic, messages(20))
    job.run()
    loaded, commits = job.records(), commit_paths(job.folder)
    recreate(kafka, recreated, record_count)

    ended = job.try_run()

    assert ended.status == 4
    assert [each["kind"] for each in ended.document["failures"][recreated]] == ["TopicRecreated"]
    assert f"{recreated}: was deleted and created again since the last commit" in ended.errors
    assert_same_records(job.records(), loaded)
    assert commit_paths(job.folder) == commits


def test_another_cluster_at_the_same_address_is_not_read(tmp_path: Path) -> None:
    ports, keep = choose_ports(1), {"log.retention.ms": "-1"}  # records here are of any date
    folder = LocalFolder(tmp_path / "destination")
    config = tmp_path / "job.toml"
    servers = {"bootstrap_servers": [f"127.0.0.1:{ports[0]}"]}
    write_config(config, {"name": "job", "destination": folder.url}, ({"pattern": ".*"},), {"kafka": servers})
    job = Job(config, folder)
    with KafkaCluster(tmp_path / "first", ports=ports, properties=keep, heap_mib=256) as first:
        create(first, "orders")
        produce(first, "orders", messages(10))
        job.run()
        loaded, paths = job.records(), folder.paths()
        assert_same_records(loaded, read_by_librdkafka(first, "orders"))
        first.kill()

    with KafkaCluster(tmp_path / "second", ports=ports, properties=keep, heap_mib=256) as second:
        create(second, "orders")
        produce(second, "orders", messages(20, first=100))
        planned, ended = kafka_loader("plan", str(config)), job.try_run()
        second.kill()

    for each in (planned, ended):
        assert each.status == 4
        assert f"belong to cluster {second.cluster_id}, the ledger to {first.cluster_id}" in each.errors
        assert "Nothing was read or committed" in each.errors
    assert ended.document["error"]["kind"] == "ClusterChanged"
    assert ended.document["exit_status"] == 4
    assert_same_records(job.records(), loaded)
    assert folder.paths() == paths


def empty(response: Any) -> None:
    """As a broker answers that has just started."""
    response.brokers, response.topics = [], []


def without_partitions(response: Any) -> None:
    """As if all topics had lost all of their partitions."""
    for topic in response.topics:
        topic.partitions = []


@pytest.mark.parametrize("change", [empty, without_partitions])
def test_a_metadata_answer_that_is_empty_takes_no_position_away(
    change: Callable[[Any], None],
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    job = new_job({"pattern": f"{topic}.*"})
    job.run()
    paths = job.folder.paths()
    produce(kafka, topic, messages(10, first=10))
    read_metadata = KafkaClient.read_metadata

    def read_changed(self: KafkaClient, topics: list[str] | None) -> Any:
        response = read_metadata(self, topics)
        change(response)
        return response

    with monkeypatch.context() as patch:
        patch.setattr(KafkaClient, "read_metadata", read_changed)
        ended = job.try_run()

    assert ended.status == 3
    assert job.folder.paths() == paths

    (loaded,) = job.run()["ranges"]

    assert (loaded["start_offset"], loaded["end_offset"]) == (10, 20)
    assert offsets_of(job.records()) == list(range(20))
