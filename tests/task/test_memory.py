"""A task's memory does not grow with its range, nor with the size of records."""

import pickle
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from loader.config.output import FetchConfig
from loader.formats.string import StringSpec
from loader.formats.topic_format import TopicFormat
from loader.task import LoadTask
from loader.values import OffsetRange
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction
from tests.end_to_end.producing import Message, produce
from tests.kafka_source.asking import settings

from .jobs import a_split, a_task

LIMIT_MIB = 512
FAST = {"message.max.bytes": 20_000_000, "batch.size": 1_000_000, "queue.buffering.max.kbytes": 2**20}
REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize(("record_bytes", "record_count"), [(1_000, 200_000), (10_000_000, 20)])
def test_a_task_stays_below_its_memory_limit(
    kafka: KafkaCluster, new_topic: NewTopicFunction, tmp_path: Path, record_bytes: int, record_count: int
) -> None:
    topic = new_topic(config={"max.message.bytes": "20000000"})
    some = [random.randbytes(record_bytes) for _ in range(min(record_count, 20))]
    produce(kafka, topic, (Message(some[at % len(some)]) for at in range(record_count)), FAST)

    peak_mib, rows, bad = measured(default_task(kafka, topic, tmp_path), topic, record_count, tmp_path)

    assert (rows, bad) == (record_count, 0)
    assert peak_mib < LIMIT_MIB
    print(f"{record_count} records of {record_bytes} bytes: {peak_mib} MiB")


def test_a_task_stays_below_its_memory_limit_when_half_of_its_records_are_bad(
    kafka: KafkaCluster, new_topic: NewTopicFunction, tmp_path: Path
) -> None:
    topic, record_count = new_topic(), 200_000
    some = [random.randbytes(500).hex().encode() + b"\xff" * (number % 2) for number in range(20)]
    produce(kafka, topic, (Message(some[at % len(some)]) for at in range(record_count)), FAST)
    task = replace(
        default_task(kafka, topic, tmp_path),
        formats={topic: TopicFormat(value=StringSpec(), keep_value=True)},
    )

    peak_mib, rows, bad = measured(task, topic, record_count, tmp_path)

    assert (rows, bad) == (record_count // 2, record_count // 2)
    assert peak_mib < LIMIT_MIB
    print(f"{record_count} records of 1000 bytes, half of them bad: {peak_mib} MiB")


def default_task(kafka: KafkaCluster, topic: str, folder: Path) -> LoadTask:
    as_configured = settings(kafka.bootstrap_servers, fetch_max_bytes=FetchConfig().max_bytes)
    return a_task(kafka.bootstrap_servers, folder / "destination", [topic], kafka=as_configured)


def measured(task: LoadTask, topic: str, record_count: int, folder: Path) -> tuple[int, int, int]:
    """MiB at most, rows and bad records of a task that loads a partition in a process of its own."""
    order = folder / "task"
    order.write_bytes(pickle.dumps((task, a_split(OffsetRange(topic, 0, 0, record_count)))))

    ended = subprocess.run(
        [sys.executable, "-m", "tests.task.measure_memory", str(order)],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
    )

    *numbers, failures = ended.stdout.split(maxsplit=3)
    assert failures.strip() == "[]"
    peak_mib, rows, bad = map(int, numbers)
    return peak_mib, rows, bad
