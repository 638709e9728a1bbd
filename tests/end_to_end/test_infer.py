"""`infer`: what it prints for a topic is a job that loads that topic."""

import json
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest

from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .folders import LocalFolder
from .jobs import kafka_loader
from .producing import Message, produce

ORDERS: list[dict[str, Any]] = [
    {
        "id": number,
        "at": "2026-11-22T10:00:00+01:00",
        "price": number / 4,
        "city": None if number % 3 else "Praha",
        "hour": number % 24,
        "tags": ["new"] * (number % 2),
        "address": {"street": "Na příkopě", "zip": number},
        "mixed # name": number if number % 2 else "text",
        'sent "by"\n': "post",
    }
    for number in range(40)
]


@pytest.fixture
def topic(kafka: KafkaCluster, new_topic: NewTopicFunction) -> str:
    topic = new_topic(partitions=3)
    sent = [Message(json.dumps(order).encode(), partition=number % 2) for number, order in enumerate(ORDERS)]
    produce(kafka, topic, [*sent, Message(None), Message(b"no json")])
    return topic


def test_what_is_inferred_is_pasted_into_a_job_and_loads_the_topic(
    kafka: KafkaCluster, topic: str, tmp_path: Path, local_folder: LocalFolder
) -> None:
    ended = kafka_loader("infer", topic, "--bootstrap-servers", kafka.bootstrap_servers)
    assert ended.status == 0, ended.errors
    assert "From 42 records" in ended.output
    assert "1 tombstone, 1 other" in ended.output
    config = tmp_path / "job.toml"
    servers = json.dumps(kafka.bootstrap_servers.split(","))
    job = f'[job]\nname = "job"\ndestination = "{local_folder.url}"\n[kafka]\nbootstrap_servers = {servers}\n'
    config.write_text(job + ended.output.replace("[topics.value]", "max_bad_records = 1\n[topics.value]"))

    run = kafka_loader("run", str(config), "--processes", "1")

    assert run.status == 0, run.errors
    files = [str(tmp_path / "destination" / path) for path in local_folder.paths() if path.startswith(topic)]
    rows = ds.dataset(files).to_table().sort_by("id").to_pylist()
    assert [row["id"] for row in rows] == [*range(40), None]  # the tombstone is a row of nulls
    for row, order in zip(rows, ORDERS, strict=False):
        assert json.loads(row["_rest"]) == {"mixed # name": order["mixed # name"]}
        assert row["hour_of_value"] == order["hour"]
        assert row["at"].isoformat() == "2026-11-22T09:00:00+00:00"
        for name in ("price", "city", "tags", "address", 'sent "by"\n'):
            assert row[name] == order[name]


def test_a_job_file_says_where_the_brokers_are_and_the_sample_is_of_all_partitions(
    kafka: KafkaCluster, topic: str, tmp_path: Path, local_folder: LocalFolder
) -> None:
    config = tmp_path / "job.toml"
    servers = json.dumps(kafka.bootstrap_servers.split(","))
    config.write_text(
        f'[job]\nname = "job"\ndestination = "{local_folder.url}"\n[kafka]\nbootstrap_servers = {servers}\n'
        f'[[topics]]\nname = "{topic}"\n'
    )

    ended = kafka_loader("infer", topic, "--config", str(config), "--sample", "12", "--json")

    assert ended.status == 0, ended.errors
    document = ended.document
    assert (document["record_count"], document["partition_count"]) == (12, 2)
    assert (document["null_count"], document["other_count"], document["bad_count"]) == (1, 1, 1)
    assert document["columns"]["address"] == "struct<street: string, zip: long>"
    assert list(document["left_out"]) == ["mixed # name"]
    assert local_folder.paths() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--config or --bootstrap-servers"),
        (["--bootstrap-servers", "nowhere"], "needs host:port"),
    ],
)
def test_infer_without_brokers_ends_with_2(arguments: list[str], said: str) -> None:
    ended = kafka_loader("infer", "orders", *arguments)

    assert ended.status == 2
    assert said in ended.errors


def test_infer_of_no_topic_and_of_a_topic_without_json_ends_with_2(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    empty = new_topic()
    for topic, said in (("not-there", "the cluster has no such topic"), (empty, "none of 0 sampled records")):
        ended = kafka_loader("infer", topic, "--bootstrap-servers", kafka.bootstrap_servers)

        assert ended.status == 2
        assert said in ended.errors


def test_help_of_infer_tells_its_options_and_an_example() -> None:
    ended = kafka_loader("infer", "--help")

    assert ended.status == 0
    assert "Example: kafka-loader infer flights --config conf/quickstart.toml" in ended.output
    for option in ("--config", "--bootstrap-servers", "--sample", "--json"):
        assert option in ended.output
