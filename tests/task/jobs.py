"""Tasks as the driver makes them, over a topic and a folder."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from loader.commits.runs import write_ticket
from loader.config.output import WriteConfig
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.settings import KafkaSettings
from loader.storage.local import LocalStorage
from loader.task import LoadTask
from loader.values import Advance, OffsetRange, Split, SplitResult
from tests.commits.examples import JOB, a_ticket
from tests.kafka_source.asking import settings, topic_id_of

RUN_FOLDER = f"_loader/{JOB}/runs/run-a"


def a_task(
    servers: str, folder: Path, topics: Iterable[str], kafka: KafkaSettings | None = None, **write: Any
) -> LoadTask:
    """A task of a run whose ticket is written."""
    storage = LocalStorage(folder)
    write_ticket(storage, JOB, a_ticket("run-a"))
    kafka = kafka or settings(servers)
    with KafkaClient(settings(servers)) as client:
        client.connect(30_000)
        topic_ids = {topic: topic_id_of(client, topic) for topic in topics}
    return LoadTask(
        job=JOB,
        job_id="j-1",
        cluster_id="c-1",
        run_id="run-a",
        destination=storage.url,
        kafka=kafka,
        write=WriteConfig.model_validate(write),
        topic_ids=topic_ids,
    )


def a_split(*ranges: OffsetRange, index: int = 0) -> Split:
    return Split(index, ranges, 0)


def run(task: LoadTask, *ranges: OffsetRange) -> SplitResult:
    return task.run(a_split(*ranges), ignore)


def ignore(_: Advance) -> None:
    pass


def staged(folder: Path) -> set[str]:
    """Parquet files in the run's folder."""
    return {path.name for path in (folder / RUN_FOLDER).glob("*.parquet")}
