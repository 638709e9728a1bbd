"""The rules of a run that need no whole command: its exit status, and what an interruption leaves."""

from pathlib import Path
from typing import Any, cast

import pytest

from loader.commits.log import CommitLog
from loader.commits.record import Commit
from loader.config.job import JobConfig
from loader.config.secrets import Secrets
from loader.engine.local import LocalEngine
from loader.engine.protocol import Engine
from loader.errors import (
    BrokerUnavailable,
    ConfigError,
    CoverageGap,
    OffsetsExpired,
    PathNotFound,
    StorageUnavailable,
    TopicVanished,
)
from loader.operations import loading
from loader.operations.job import Job, open_job
from loader.operations.listening import Step
from loader.operations.load import load
from loader.operations.load_report import LoadReport
from loader.operations.plan import LoadPlan
from loader.values import OffsetRange, TopicPartition
from local_services.kafka import KafkaCluster
from tests.commits.examples import a_ticket
from tests.conftest import NewTopicFunction
from tests.end_to_end.producing import messages, produce

EXPIRED = OffsetsExpired(OffsetRange("orders", 0, 0, 10), 5)
VANISHED = TopicVanished("orders", True)


class Silent:
    """A listener that hears the steps and nothing else."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def step(self, step: Step) -> None:
        self.steps.append(step)

    def __getattr__(self, _: str) -> Any:
        return lambda *_: None


@pytest.mark.parametrize(
    ("failures", "unlisted", "status"),
    [
        ({}, {}, 0),
        ({}, {TopicPartition("a", 0): "no leader"}, 3),
        ({"a": (StorageUnavailable("gone"),)}, {}, 3),
        ({"a": (ConfigError(["no"]),), "b": (BrokerUnavailable("gone"),)}, {}, 2),
        ({"a": (ConfigError(["no"]),), "b": (EXPIRED, BrokerUnavailable("gone"))}, {}, 4),
        ({"a": (VANISHED,)}, {TopicPartition("b", 0): "no leader"}, 4),
        ({"a": (VANISHED,), "b": (CoverageGap("a bug"),)}, {}, 1),
        ({"a": (TypeError("a bug"),), "b": (VANISHED,)}, {}, 1),
    ],
)
def test_a_run_ends_with_the_gravest_status_of_its_topics(
    failures: dict[str, tuple[Exception, ...]], unlisted: dict[TopicPartition, str], status: int
) -> None:
    class Plan:
        pass

    plan = Plan()
    plan.unlisted = unlisted  # type: ignore[attr-defined]

    assert LoadReport("run-a", cast(LoadPlan, plan), None, failures).exit_status == status


@pytest.fixture
def job(kafka: KafkaCluster, new_topic: NewTopicFunction, tmp_path: Path) -> Job:
    """Ten records of one topic to load."""
    topic = new_topic()
    produce(kafka, topic, messages(10))
    document = {
        "job": {"name": "orders", "destination": (tmp_path / "destination").as_uri()},
        "kafka": {"bootstrap_servers": [kafka.bootstrap_servers]},
        "topics": [{"name": topic}],
        "write": {"partition_by": "none"},
    }
    return open_job(JobConfig.model_validate(document), Secrets())


def run(job: Job, run_id: str, engine: Engine | None = None) -> tuple[LoadReport, Silent]:
    listener = Silent()
    report = load(
        job,
        engine or LocalEngine(1),
        lambda base: a_ticket(run_id, base),
        lambda: 1_763_800_000_000,
        lambda _: False,
        cast(Any, listener),
    )
    return report, listener


def visible(job: Job, commit: Commit) -> list[str]:
    return [job.storage.status(file.path).path for file in commit.files]


def test_the_steps_of_a_run_come_in_their_order_and_a_run_with_nothing_new_has_few(job: Job) -> None:
    _, first = run(job, "run-a")
    report, second = run(job, "run-b")

    assert first.steps == list(Step)
    assert second.steps == [Step.RECOVER, Step.PLAN, Step.SWEEP]
    assert (report.commit, report.exit_status) == (None, 0)


def test_an_engine_starts_while_a_run_is_staged_and_only_for_work(job: Job) -> None:
    heard: list[tuple[int, bool]] = []

    class Noting(LocalEngine):
        def prepare(self, split_count: int) -> None:
            heard.append((split_count, "_loader" in storage_root(job)))

    run(job, "run-a", Noting(1))
    run(job, "run-b", Noting(1))

    assert heard == [(1, False)]


def storage_root(job: Job) -> list[str]:
    try:
        return list(job.storage.names(""))
    except PathNotFound:
        return []


def test_a_run_that_fails_before_its_commit_leaves_no_files(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise CoverageGap("a bug")

    monkeypatch.setattr(loading, "check_coverage", refuse)
    with pytest.raises(CoverageGap):
        run(job, "run-a")

    assert CommitLog(job.storage, job.name).newest() is None
    assert job.storage.list("_loader/orders/runs") == []


def test_a_run_interrupted_right_after_its_commit_loses_nothing(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = CommitLog.append

    def append_then_interrupt(self: CommitLog, commit: Commit) -> None:
        append(self, commit)
        raise KeyboardInterrupt

    monkeypatch.setattr(CommitLog, "append", append_then_interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(job, "run-a")
    monkeypatch.undo()

    report, _ = run(job, "run-b")

    newest = CommitLog(job.storage, job.name).newest()
    assert newest is not None
    assert report.recovered == newest.version
    assert visible(job, newest)
