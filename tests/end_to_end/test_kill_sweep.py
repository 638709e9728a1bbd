"""Every moment of a run at which it can be killed: found by the sweep itself, so a new step is swept too.

On local storage before each system call that changes the destination, on HDFS before each call of the storage
that does. The number of kills is printed when all are done.
"""

import itertools
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from loader.operations.listening import Step
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .children import killed_before_system_call
from .conftest import NewFolderFunction, NewJobFunction
from .crashes import finished, killed_at_step, killed_before_write
from .exactly_once import Truth, assert_exactly_once, assert_nothing_is_half_visible, truth_of
from .folders import Folder, LocalFolder, commit_paths
from .jobs import Job
from .producing import HOUR_MS, T0_MS, Ends, messages, produce, send, transactional_producer, wait_for_ends

THREADS = {"local": 4, "hdfs": 8}
"""Of HDFS most time is spent waiting for files to close."""


@dataclass(frozen=True, slots=True)
class Load:
    """Topics to load, and what must come of it."""

    partitions: dict[str, int]
    truth: Truth


LoadFunction = Callable[[str], Load]


@pytest.fixture
def new_load(kafka: KafkaCluster, new_topic: NewTopicFunction) -> LoadFunction:
    """`new_load("one")`: one topic, partition, folder and file; "several" of each, with transactions."""

    def one() -> Load:
        topic = new_topic()
        produce(kafka, topic, messages(10))
        return Load({topic: 1}, truth_of(kafka, {topic: 1}))

    def several() -> Load:
        first, second = new_topic(partitions=2), new_topic()
        for partition, begin_ms in ((0, T0_MS), (1, T0_MS + HOUR_MS)):
            produce(kafka, first, messages(10, partition=partition, timestamp_ms=begin_ms))
        producer = transactional_producer(kafka, first)
        for end in (producer.abort_transaction, producer.commit_transaction):
            producer.begin_transaction()
            send(producer, first, messages(5, first=10, timestamp_ms=T0_MS + HOUR_MS))
            end(30)
        wait_for_ends(kafka, first, Ends(22, 22))
        produce(kafka, second, messages(10))
        partitions = {first: 2, second: 1}
        return Load(partitions, truth_of(kafka, partitions))

    return lambda shape: {"one": one, "several": several}[shape]()


@pytest.fixture(scope="module")
def kills(request: pytest.FixtureRequest) -> Iterator[list[int]]:
    """Each sweep adds how many kills it survived."""
    counts: list[int] = []
    yield counts
    capture: Any = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\nkill sweep: {sum(counts)} kills in {len(counts)} variants: {counts}")


@pytest.mark.parametrize(
    ("kind", "shape", "generation"),
    [("local", "one", 2), ("local", "several", 1), ("local", "several", 2), ("hdfs", "several", 2)],
)
def test_a_run_killed_at_any_moment_leaves_each_record_once_to_the_next(
    kind: str,
    shape: str,
    generation: int,
    kills: list[int],
    new_load: LoadFunction,
    new_folder: NewFolderFunction,
    new_job: NewJobFunction,
) -> None:
    load = new_load(shape)
    kill_before_change = killed_before_system_call if kind == "local" else killed_before_write
    earlier = new_folder(kind)

    def load_half_of(folder: Folder) -> None:
        limits = {"max_records": len(load.truth.records) // 2}
        finished(new_job(*load.partitions, folder=folder, limits=limits).config)

    if generation == 2 and isinstance(earlier, LocalFolder):
        load_half_of(earlier)

    def new_destination() -> Folder:
        folder = new_folder(kind)
        if generation == 2:
            if isinstance(earlier, LocalFolder) and isinstance(folder, LocalFolder):
                shutil.copytree(earlier.path, folder.path)
            else:
                load_half_of(folder)
        return folder

    def kill_at(moment: Step | int) -> tuple[Job, bool]:
        """A job whose run was killed then, and whether it was: a run makes so many changes and no more."""
        job = new_job(*load.partitions, folder=new_destination())
        was_killed = True
        if isinstance(moment, Step):
            killed_at_step(job.config, moment)
        else:
            was_killed = kill_before_change(job.config, moment)
        assert_nothing_is_half_visible(job.folder, load.truth)
        if kind == "hdfs":
            finished(job.config)  # here, where other jobs are at work while this one waits
        return job, was_killed

    def assert_finished(job: Job) -> None:
        if kind == "local":
            job.run()
        assert_exactly_once(job.folder, load.truth)
        assert len(commit_paths(job.folder)) == generation

    with ThreadPoolExecutor(THREADS[kind]) as threads:
        # Of a job's first run, and on HDFS, test_recovery.py kills the steps.
        steps = Step if (kind, generation) == ("local", 2) else ()
        moments = itertools.chain(steps, itertools.count(1))
        kill_count, was_killed = 0, True
        while was_killed:
            batch = itertools.islice(moments, THREADS[kind])
            for job, was_killed in threads.map(kill_at, batch):
                assert_finished(job)
                kill_count += was_killed

    # At the least: a ticket and a commit, each begun and finished or named; one file moved; a folder removed.
    assert kill_count > 6
    kills.append(kill_count)
