"""Small files of closed hours become few, with the same rows, beside runs and through kills."""

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loader.cli import process
from loader.errors import CommitSuperseded
from loader.operations.changes.compaction import CompactionReport, compact, plan_compaction
from loader.operations.listening import Listener, Step
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .conftest import InterruptFunction, NewJobFunction
from .crashes import Interruption, compaction_killed_before_write
from .exactly_once import leftovers
from .folders import Folder, commit_paths, published_paths
from .harms import Document, copy_of, rewrite
from .jobs import Ended, Job, kafka_loader
from .oracle import read_by_librdkafka
from .producing import HOUR_MS, T0_MS, Message, messages, produce
from .records import assert_same_records

TEN, ELEVEN = "dt=2024-02-29/hour=10", "dt=2024-02-29/hour=11"


def try_compact(job: Job, *options: str) -> Ended:
    return kafka_loader("compact", str(job.config), "--json", *options)


def compacted(job: Job, *options: str) -> Any:
    ended = try_compact(job, *options)
    assert ended.status == 0, ended.errors
    return ended.document


def commits(job: Job) -> list[Any]:
    return [json.loads(job.folder.read(path))["commit"] for path in commit_paths(job.folder)]


def proven(job: Job) -> Any:
    ended = kafka_loader("verify", str(job.config), "--deep", "--json")
    assert ended.status == 0, ended.output
    return ended.document


def files_by_folder(folder: Folder) -> Mapping[str, int]:
    """How many files are in each folder below the topic's."""
    return Counter(path.partition("/")[2].rpartition("/")[0] for path in published_paths(folder))


@pytest.fixture
def topic(kafka: KafkaCluster, new_topic: NewTopicFunction) -> str:
    """Two partitions, 20 and 10 records, the first over two hours with a late one between."""
    name = new_topic(partitions=2)
    produce(kafka, name, messages(10))
    produce(kafka, name, messages(9, first=10, timestamp_ms=T0_MS + HOUR_MS))
    produce(kafka, name, messages(1, first=19))
    produce(kafka, name, messages(10, partition=1))
    return name


@pytest.fixture
def job(topic: str, new_job: NewJobFunction) -> Job:
    """Loaded in three runs: three files of ten o'clock, two of eleven."""
    job = new_job(topic, limits={"max_records": 12})
    for _ in range(3):
        job.run()
    assert files_by_folder(job.folder) == {TEN: 3, ELEVEN: 2}
    return job


def test_small_files_of_an_hour_become_one_with_the_same_rows_as_a_dry_run_has_shown_and_then_no_more(
    kafka: KafkaCluster, topic: str, job: Job
) -> None:
    position = commits(job)[-1]["position"]
    old, before = published_paths(job.folder), job.folder.paths()
    shown = kafka_loader("compact", str(job.config), "--dry-run")
    dry = compacted(job, "--dry-run")
    unknown = kafka_loader("compact", str(job.config), "--topic", "no-such")
    assert job.folder.paths() == before

    document = compacted(job)
    again = compacted(job)

    assert files_by_folder(job.folder) == {TEN: 1, ELEVEN: 1}
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    newest = commits(job)[-1]
    assert (newest["version"], newest["operation"], newest["ranges"]) == (4, "compact", [])
    assert newest["position"] == position
    assert sorted(newest["removed_files"]) == old
    assert sorted(each["path"] for each in newest["files"]) == published_paths(job.folder)
    told = [(each["folder"], each["file_count"], each["new_file_count"]) for each in document["folders"]]
    assert told == [(f"{topic}/{TEN}", 3, 1), (f"{topic}/{ELEVEN}", 2, 1)]
    assert [each | {"new_size_bytes": None} for each in document["folders"]] == dry["folders"]
    assert (dry["committed"], dry["new_size_bytes"]) == (False, None)
    assert (shown.status, "would merge 5 files" in shown.output, TEN in shown.output) == (0, True, True)
    assert (unknown.status, "no-such: job job has not loaded it" in unknown.errors) == (2, True)
    assert (document["row_count"], document["version"]) == (30, 4)
    assert (again["committed"], again["folders"]) == (False, [])
    assert leftovers(job.folder) == []
    assert len(commits(job)) == 4
    proof = proven(job)
    assert (proof["row_count"], proof["file_count"]) == (30, 2)
    assert [(each["partition"], each["row_count"]) for each in proof["partitions"]] == [(0, 20), (1, 10)]


def test_hours_that_are_not_closed_and_other_topics_are_left_alone(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    open_topic, other = new_topic(), new_topic()
    job = new_job(open_topic, other)
    assert "has not loaded anything yet" in kafka_loader("compact", str(job.config)).output
    for number in range(2):
        produce(kafka, open_topic, messages(1, first=number, timestamp_ms=process.now_ms() - 5_000))
        produce(kafka, other, messages(1, first=number))
        job.run()

    of_topic = compacted(job, "--topic", open_topic)
    of_all = compacted(job)

    assert of_topic["committed"] is False
    assert [each["topic"] for each in of_all["folders"]] == [other]
    assert [path.startswith(other) for path in published_paths(job.folder)].count(True) == 1


def test_files_are_merged_up_to_the_target_size(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    write = {"target_file_bytes": 65536, "row_group_bytes": 16384, "partition_by": "none"}
    job = new_job(topic, write=write, limits={"max_records": 20})
    produce(kafka, topic, [Message(random.randbytes(1000)) for _ in range(100)])
    for _ in range(5):
        job.run()
    later = process.now_ms() + HOUR_MS

    report = merge(job, later)

    # Of five files with 20 to 30 KiB two and two fit together, and one is alone.
    assert (len(report.commit.removed_files), len(report.commit.files)) == (4, 2)
    assert all(32768 <= file.size_bytes <= 65536 for file in report.commit.files)
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    after = plan_compaction(process.read_job(job.config), None, later + HOUR_MS, is_dry=True)
    assert after is not None
    assert after.pieces == ()
    proven(job)


def merge(
    job: Job, at_ms: int | None = None, act: Callable[[], object] = lambda: None, step: Step = Step.CHECK
) -> CompactionReport:
    """Compact in place, with something done by others when it comes to a step."""
    opened = process.read_job(job.config)
    plan = plan_compaction(opened, None, at_ms or process.now_ms(), is_dry=False)
    assert plan is not None
    ticket = process.new_ticket(plan.newest.version)
    listener = cast(Listener, Interruption(step, act))
    return compact(opened, plan, ticket, 2, process.now_ms, process.is_dead, listener)


def entry(topic: str, n_type: str) -> Mapping[str, Any]:
    columns = {"n": n_type}
    return {"name": topic, "value": {"format": "json", "columns": columns}, "max_bad_records": 1_000}


def test_rows_of_each_kind_stay_among_their_own(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    large = 5_000_000_000
    values = [{0: at, 1: large, 2: at}[at % 3] for at in range(36)]
    produce(kafka, topic, [Message(json.dumps({"n": n}).encode()) for n in values])
    for limit in (3, 3):
        new_job(topic, limits={"max_records": limit}).run()
    for _ in range(2):
        new_job(entry(topic, "int"), limits={"max_records": 6}).run()
    wider = new_job(entry(topic, "long"), limits={"max_records": 9})
    assert kafka_loader("quarantine", "replay", str(wider.config)).status == 0
    for _ in range(2):
        wider.run()
    later = process.now_ms() + HOUR_MS

    merge(wider, later)

    kinds = Counter(
        ("_quarantine/" in each["path"], each["staged_name"].startswith("replay-"))
        for each in commits(wider)[-1]["files"]
    )
    assert kinds == {(False, False): 2, (True, False): 1}  # raw, typed; of the replay there was one file
    rows = []
    for path in published_paths(wider.folder):
        for row in pq.read_table(pa.BufferReader(wider.folder.read(path))).to_pylist():
            is_raw = row.get("kafka") is None
            n = json.loads(row["value"])["n"] if is_raw else row["n"]
            rows.append((row["offset"] if is_raw else row["kafka"]["offset"], n))
    assert sorted(rows) == list(enumerate(values))
    proof = proven(wider)
    assert (proof["row_count"], proof["quarantined_count"]) == (32, 4)
    assert kafka_loader("quarantine", "list", str(wider.config), "--json").status == 0


def test_late_rows_are_merged_into_what_was_merged_before(kafka: KafkaCluster, topic: str, job: Job) -> None:
    compacted(job)
    produce(kafka, topic, messages(5, first=20))
    job.run()

    document = compacted(job)

    assert [(each["folder"], each["file_count"]) for each in document["folders"]] == [(f"{topic}/{TEN}", 2)]
    assert files_by_folder(job.folder) == {TEN: 1, ELEVEN: 1}
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    proof = proven(job)
    assert [(each["partition"], each["row_count"]) for each in proof["partitions"]] == [(0, 25), (1, 10)]


def test_a_run_that_commits_meanwhile_keeps_what_it_loaded(kafka: KafkaCluster, topic: str, job: Job) -> None:
    produce(kafka, topic, messages(5, first=20))

    report = merge(job, act=job.run)

    assert [commit["operation"] for commit in commits(job)] == ["load", "load", "load", "load", "compact"]
    assert report.commit.version == 5
    assert commits(job)[-1]["position"] == commits(job)[-2]["position"]
    assert files_by_folder(job.folder) == {TEN: 2, ELEVEN: 1}
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    assert leftovers(job.folder) == []
    assert proven(job)["row_count"] == 35


def test_a_run_commits_behind_a_compaction_that_was_faster(
    kafka: KafkaCluster, topic: str, job: Job, interrupt: InterruptFunction
) -> None:
    produce(kafka, topic, messages(5, first=20))
    interrupt(Step.CHECK, lambda: compacted(job))

    document = job.run()

    assert (document["version"], document["row_count"]) == (5, 5)
    assert [commit["operation"] for commit in commits(job)] == ["load", "load", "load", "compact", "load"]
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    assert leftovers(job.folder) == []
    assert proven(job)["row_count"] == 35


@pytest.mark.parametrize(
    ("other", "step"), [("compact", Step.LOAD), ("compact", Step.CHECK), ("backfill", Step.CHECK)]
)
def test_of_two_that_take_away_the_same_files_the_slower_leaves_nothing(
    other: str, step: Step, kafka: KafkaCluster, topic: str, job: Job
) -> None:
    def act() -> None:
        options = ("--topic", topic, "--from", "earliest", "--yes", "--processes", "1")
        ended = kafka_loader(other, str(job.config), *(options if other == "backfill" else ()))
        assert ended.status == 0, ended.errors

    with pytest.raises(CommitSuperseded):
        merge(job, act=act, step=step)

    assert [commit["operation"] for commit in commits(job)] == ["load", "load", "load", other]
    assert leftovers(job.folder) == []
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    proven(job)


def test_a_compaction_that_ended_behind_its_commit_is_finished_by_the_next(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("loader.operations.changes.compaction.publish_commit", die)
    with pytest.raises(KeyboardInterrupt):
        merge(job)
    monkeypatch.undo()
    before = job.folder.paths()

    dry = compacted(job, "--dry-run")
    unfinished = job.folder.paths()
    document = compacted(job)

    assert (dry["file_count"], document["file_count"], unfinished) == (0, 0, before)
    assert files_by_folder(job.folder) == {TEN: 1, ELEVEN: 1}
    assert leftovers(job.folder) == []
    assert proven(job)["row_count"] == 30


def lose_a_row(rows: list[Document]) -> None:
    del rows[3]


def double_a_row(rows: list[Document]) -> None:
    rows[4] = rows[3]


def move_a_row(rows: list[Document]) -> None:
    rows[3]["offset"] = 1_000


def test_a_row_that_is_gone_from_a_merged_file_or_there_twice_is_found(job: Job, tmp_path: Path) -> None:
    compacted(job)
    changes = {
        lose_a_row: {"footer", "offset-missing"},
        double_a_row: {"offset-twice", "offset-missing"},
        move_a_row: {"offset-stranger", "offset-missing", "offset-order"},
    }
    for change, kinds in changes.items():
        copy = copy_of(job, tmp_path / change.__name__)
        path = copy.root / next(path for path in published_paths(copy.job.folder) if TEN in path)
        rewrite(path, change)

        ended = kafka_loader("verify", str(copy.job.config), "--json")

        assert ended.status == 4
        assert {each["kind"] for each in ended.document["problems"]} == kinds


def test_a_compaction_killed_at_any_write_is_finished_or_forgotten_by_the_next_run(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, tmp_path: Path
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    original = new_job(topic, limits={"max_records": 5})
    for _ in range(2):
        original.run()
    expected = read_by_librdkafka(kafka, topic)
    was_made = []
    number, was_killed = 0, True

    while was_killed:
        number += 1
        job = copy_of(original, tmp_path / f"copy-{number}").job
        was_killed = compaction_killed_before_write(job.config, number)
        # A reader of the folder may see a row twice for a moment, and never misses one.
        assert {record.place for record in job.records()} == {record.place for record in expected}
        job.run()
        assert_same_records(job.records(), expected)
        assert leftovers(job.folder) == []
        was_made.append(len(commits(job)) == 3)
        if number % 3 == 0 or not was_killed:
            assert proven(job)["row_count"] == 10

    assert was_made == sorted(was_made)
    assert {*was_made} == {False, True}
