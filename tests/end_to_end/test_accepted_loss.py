"""Records that Kafka deleted before they were loaded: never skipped silently, but a person may say so."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from loader.operations.listening import Step
from loader.task import LoadTask
from loader.values import Advance, Split, SplitResult
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction
from tests.kafka_source.asking import delete_records

from .conftest import NewJobFunction
from .crashes import Interruption
from .folders import commit_paths
from .jobs import Job, kafka_loader
from .oracle import read_by_librdkafka
from .producing import messages, produce
from .records import assert_same_records, offsets_of

OnAdvance = Callable[[Advance], None]

JUMPS = [
    pytest.param(Step.RECOVER, id="before-the-plan"),
    pytest.param(Step.LOAD, id="between-plan-and-fetch"),
]


def lost_of(job: Job) -> list[tuple[int, list[list[int]]]]:
    """Of every commit, what it says was lost; read without the loader."""
    commits = [json.loads(job.folder.read(path))["commit"] for path in commit_paths(job.folder)]
    return [
        (sum(loaded["lost_count"] for loaded in commit["ranges"]), lost)
        for commit in commits
        for lost in [[lost for loaded in commit["ranges"] for lost in loaded["lost_ranges"]]]
    ]


@pytest.mark.parametrize("step", JUMPS)
def test_what_is_left_is_loaded_and_the_lost_offsets_are_recorded_for_ever(
    step: Step,
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(20))
    job = new_job(topic)
    job.run()
    before = job.records()
    produce(kafka, topic, messages(20, first=20))
    with monkeypatch.context() as patched:
        interruption = Interruption(step, lambda: delete_records(kafka, topic, 26))
        patched.setattr("loader.cli.run.ProgressListener", lambda *_: interruption)
        refused = job.try_run()
    assert refused.status == 4
    assert job.records() == before

    report = job.run("--accept-loss")

    assert_same_records(job.records(), before + read_by_librdkafka(kafka, topic))
    assert offsets_of(job.records()) == [*range(20), *range(26, 40)]
    (loaded,) = report["ranges"]
    assert (loaded["row_count"], loaded["lost_count"], loaded["lost_ranges"]) == (14, 6, [[20, 26]])
    assert lost_of(job) == [(0, []), (6, [[20, 26]])]
    assert not job.run()["committed"]
    listed = kafka_loader("history", str(job.config), "--json").document
    assert [commit["lost_count"] for commit in listed] == [0, 6]
    shown = kafka_loader("history", "show", str(job.config), "2", "--json").document
    assert [loaded["lost_ranges"] for loaded in shown["ranges"]] == [[[20, 26]]]


class Sleep(Interruption):
    """Of the task, once, behind its first records."""

    def advanced(self, _: Advance) -> None:
        if not self.done:
            self.done = True
            self.act()


def run_here(_: object, task: LoadTask, splits: Sequence[Split], on_advance: OnAdvance) -> list[SplitResult]:
    """As the local engine, but in this process, where a listener can hold the task up."""
    return [task.run(split, on_advance) for split in splits]


@pytest.mark.parametrize("options", [(), ("--accept-loss",)], ids=["refused", "accepted"])
def test_records_deleted_while_a_task_sleeps_are_lost_only_where_that_is_allowed(
    options: tuple[str, ...],
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topic = new_topic()
    for first in range(0, 60, 10):  # as many batches, each larger than a fetch
        large = [replace(each, value=b"%d" % first * 10_000) for each in messages(10, first=first)]
        produce(kafka, topic, large, {"linger.ms": 500})
    job = new_job(topic, fetch={"max_bytes": 65536})
    all_records = read_by_librdkafka(kafka, topic)
    sleep = Sleep(Step.SWEEP, lambda: delete_records(kafka, topic, 55))
    monkeypatch.setattr("loader.cli.run.ProgressListener", lambda *_: sleep)
    monkeypatch.setattr("loader.engine.local.LocalEngine.run", run_here)
    monkeypatch.setattr("loader.task.DECODED_AHEAD_BYTES", 1)  # else all may be read before it sleeps

    ended = job.try_run(*options)

    if not options:
        assert ended.status == 4
        assert "deleted before they were loaded" in ended.errors
        assert job.records() == []
        return
    assert ended.status == 0
    (loaded,) = ended.document["ranges"]
    ((lost_from, lost_to),) = loaded["lost_ranges"]
    assert lost_from >= 10  # what was decoded before is kept
    assert lost_to == 55
    assert_same_records(
        job.records(), [record for record in all_records if not lost_from <= record.offset < lost_to]
    )


def test_a_partition_of_which_nothing_is_left_moves_to_its_end_with_all_of_it_lost(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic(partitions=2)
    produce(kafka, topic, messages(5))
    job = new_job(topic)
    job.run()
    produce(kafka, topic, messages(10, first=5) + messages(7, partition=1))
    delete_records(kafka, topic, 15)

    report = job.run("--accept-loss")

    lost = {loaded["partition"]: loaded["lost_ranges"] for loaded in report["ranges"]}
    assert lost == {0: [[5, 15]], 1: []}
    assert offsets_of(job.records()) == list(range(5))
    assert offsets_of(job.records(), partition=1) == list(range(7))
    produce(kafka, topic, messages(3, first=15))
    job.run()
    assert offsets_of(job.records()) == [*range(5), *range(15, 18)]


def test_the_refusal_names_the_choices_with_commands_that_can_be_pasted(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(5))
    job = new_job(topic)
    job.run()
    produce(kafka, topic, messages(5, first=5))
    delete_records(kafka, topic, 7)

    ended = job.try_run()
    shown = [
        ended.document["failures"],
        job.plan()["failures"],
        kafka_loader("status", str(job.config), "--json").document["failures"],
    ]

    command = f"kafka-loader run {job.config} --accept-loss"
    assert command in ended.errors
    for failures in shown:
        (failure,) = failures[topic] if isinstance(failures[topic], list) else [failures[topic]]
        assert failure["kind"] == "OffsetsExpired"
        assert failure["exit_status"] == 4
        assert [choice["command"] for choice in failure["choices"]] == [
            command,
            f"kafka-loader plan {job.config}",
        ]
        assert all(choice["meaning"] for choice in failure["choices"])
    assert kafka_loader(*command.split()[1:]).status == 0
    assert offsets_of(job.records()) == [*range(5), *range(7, 10)]
