"""A task's memory does not grow with its range, nor with the size of records."""

import pickle
import random
import subprocess
import sys
from pathlib import Path

import pytest

from loader.config.output import FetchConfig
from loader.values import OffsetRange
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction
from tests.end_to_end.producing import Message, produce
from tests.kafka_source.asking import settings

from .jobs import a_split, a_task

LIMIT_MIB = 512
REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize(("record_bytes", "record_count"), [(1_000, 200_000), (10_000_000, 20)])
def test_a_task_stays_below_its_memory_limit(
    kafka: KafkaCluster, new_topic: NewTopicFunction, tmp_path: Path, record_bytes: int, record_count: int
) -> None:
    topic = new_topic(config={"max.message.bytes": "20000000"})
    some = [random.randbytes(record_bytes) for _ in range(min(record_count, 20))]
    config = {"message.max.bytes": 20_000_000, "batch.size": 1_000_000, "queue.buffering.max.kbytes": 2**20}
    produce(kafka, topic, (Message(some[at % len(some)]) for at in range(record_count)), config)
    as_configured = settings(kafka.bootstrap_servers, fetch_max_bytes=FetchConfig().max_bytes)
    task = a_task(kafka.bootstrap_servers, tmp_path / "destination", [topic], kafka=as_configured)
    order = tmp_path / "task"
    order.write_bytes(pickle.dumps((task, a_split(OffsetRange(topic, 0, 0, record_count)))))

    ended = subprocess.run(
        [sys.executable, "-m", "tests.task.measure_memory", str(order)],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
    )

    peak_mib, rows, failures = ended.stdout.split(maxsplit=2)
    assert (int(rows), failures.strip()) == (record_count, "[]")
    assert int(peak_mib) < LIMIT_MIB
    print(f"{record_count} records of {record_bytes} bytes: {peak_mib} MiB")
