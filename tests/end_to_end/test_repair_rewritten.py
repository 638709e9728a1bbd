"""A ledger whose rows were merged, loaded again, or begun again elsewhere, is rebuilt as any other is."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .conftest import NewJobFunction
from .folders import LocalFolder, commit_paths, published_paths
from .harms import copy_of
from .jobs import Ended, Job, kafka_loader
from .oracle import read_by_librdkafka
from .producing import HOUR_MS, T0_MS, messages, produce
from .records import assert_same_records


def loader_folder(job: Job) -> Path:
    return cast(LocalFolder, job.folder).path / "_loader" / "job"


def commit_file(job: Job, version: int) -> Path:
    return loader_folder(job) / "commits" / f"{version:020d}.json"


def commits(job: Job) -> list[Any]:
    return [json.loads(job.folder.read(path))["commit"] for path in commit_paths(job.folder)]


def done(job: Job, command: str, *options: str) -> Any:
    ended = kafka_loader(*command.split(), str(job.config), "--json", *options)
    assert ended.status == 0, ended.errors + ended.output
    return ended.document


def repair(job: Job, *options: str) -> Ended:
    return kafka_loader("repair", str(job.config), "--json", "--yes", *options)


def proven(job: Job) -> Any:
    return done(job, "verify", "--deep")


@pytest.fixture
def topic(kafka: KafkaCluster, new_topic: NewTopicFunction) -> str:
    """Two partitions, 20 and 10 records, the first over two hours."""
    name = new_topic(partitions=2)
    produce(kafka, name, messages(10))
    produce(kafka, name, messages(10, first=10, timestamp_ms=T0_MS + HOUR_MS))
    produce(kafka, name, messages(10, partition=1))
    return name


@pytest.fixture
def original(topic: str, new_job: NewJobFunction) -> Job:
    """Commits 1 to 3 load, 4 merges, 5 loads a part of the first partition again, and 6 merges once more."""
    job = new_job(topic, limits={"max_records": 12})
    for _ in range(3):
        job.run()
    done(job, "compact")
    again = ("--partition", "0", "--from", "3", "--until", "8", "--yes", "--processes", "1")
    done(job, "backfill", "--topic", topic, *again)
    done(job, "compact")
    assert [each["operation"] for each in commits(job)] == [*["load"] * 3, "compact", "backfill", "compact"]
    return job


def lose_everything(job: Job) -> None:
    shutil.rmtree(loader_folder(job))


def lose_the_identity(job: Job) -> None:
    (loader_folder(job) / "job.json").unlink()


def lose(*versions: int) -> Callable[[Job], None]:
    def harm(job: Job) -> None:
        for version in versions:
            commit_file(job, version).unlink()

    harm.__name__ = f"lose_{'_'.join(map(str, versions))}"
    return harm


def damage_the_first_compaction(job: Job) -> None:
    commit_file(job, 4).write_bytes(commit_file(job, 4).read_bytes()[:200])


HARMS = [
    lose_everything,
    lose_the_identity,
    lose(2),
    lose(4),
    lose(5),
    lose(6),
    lose(1, 4),
    lose(4, 5, 6),
    damage_the_first_compaction,
]


def test_a_ledger_with_merged_and_replaced_rows_is_rebuilt_and_no_row_is_lost_or_doubled(
    original: Job, kafka: KafkaCluster, topic: str, tmp_path: Path
) -> None:
    truth = read_by_librdkafka(kafka, topic)
    for harm in HARMS:
        job = copy_of(original, tmp_path / harm.__name__).job
        harm(job)

        ended = repair(job)

        assert ended.status == 0, f"{harm.__name__}: {ended.errors}{ended.output}"
        assert (ended.document["row_count"], ended.document["lost_count"]) == (30, 0)
        assert_same_records(job.records(), truth)
        proof = proven(job)
        assert proof["row_count"] == 30
        assert job.run()["committed"] is False


def test_rows_that_are_gone_with_a_merged_file_are_missed(original: Job, tmp_path: Path) -> None:
    for harm in (lose_everything, lose(4, 5, 6), lose_the_identity):
        job = copy_of(original, tmp_path / harm.__name__).job
        path = next(path for path in published_paths(job.folder) if "hour=10" in path)
        (cast(LocalFolder, job.folder).path / path).unlink()
        harm(job)

        refused = repair(job)

        assert refused.status == 4
        assert "offsets would be recorded as lost" in refused.document["refusal"]
        ended = repair(job, "--accept-loss")
        assert ended.status == 0
        assert ended.document["row_count"] == 10
        assert proven(job)["row_count"] == 10


def test_older_files_that_are_still_beside_those_they_were_merged_into_are_named_and_nothing_is_written(
    kafka: KafkaCluster, topic: str, new_job: NewJobFunction, tmp_path: Path
) -> None:
    job = new_job(topic, limits={"max_records": 12})
    for _ in range(3):
        job.run()
    before = copy_of(job, tmp_path / "before")
    done(job, "compact")
    older = published_paths(before.job.folder)
    root = cast(LocalFolder, job.folder).path
    for path in older[1:]:  # as if it had been killed when one of them was deleted
        shutil.copy(before.root / path, root / path)
    good = copy_of(job, tmp_path / "good").job
    lose_everything(job)
    left = job.folder.paths()

    ended = repair(job)

    assert ended.status == 4
    message = ended.document["error"]["message"]
    assert "hold rows that others hold too" in message
    assert {path for path in published_paths(job.folder) if path in message} == set(older[1:])
    assert job.folder.paths() == left
    for path in older[1:]:
        (root / path).unlink()
    assert repair(job).status == 0
    assert proven(job)["row_count"] == 30

    # Where the commit that took them away is good, the repair itself finishes that.
    lose_the_identity(good)
    repaired = repair(good)
    assert repaired.document["files_to_delete"] == sorted(older[1:])
    assert_same_records(good.records(), read_by_librdkafka(kafka, topic))
    assert proven(good)["row_count"] == 30


def places(job: Job, topic: str) -> Any:
    return commits(job)[-1]["position"][topic]["partitions"]


def move(job: Job, topic: str, to: int) -> None:
    options = ("--topic", topic, "--partition", "0", "--to", str(to), "--reason", "a test", "--yes")
    done(job, "position set", *options)


@pytest.mark.parametrize("harm", [lose_the_identity, lose(1)])
def test_a_position_that_was_set_back_stays_there_and_what_it_reached_is_not_loaded_twice(
    harm: Callable[[Job], None], kafka: KafkaCluster, topic: str, new_job: NewJobFunction
) -> None:
    job = new_job(topic)
    job.run()
    move(job, topic, 5)
    expected = places(job, topic)
    harm(job)

    ended = repair(job)

    assert ended.status == 0
    assert places(job, topic) == expected
    assert (expected["0"]["next_offset"], expected["0"]["reached_offset"]) == (5, 20)
    proven(job)
    produce(kafka, topic, messages(5, first=20))
    assert job.run()["row_count"] == 20
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    assert proven(job)["row_count"] == 35


def test_offsets_that_a_person_skipped_are_neither_lost_nor_loaded_after_a_repair(
    kafka: KafkaCluster, topic: str, new_job: NewJobFunction
) -> None:
    job = new_job(topic)
    job.run()
    produce(kafka, topic, messages(10, first=20))
    move(job, topic, 26)
    job.run()
    produce(kafka, topic, messages(5, first=30))
    move(job, topic, 33)
    lose_the_identity(job)

    ended = repair(job)

    assert (ended.status, ended.document["lost_count"]) == (0, 0)
    assert places(job, topic)["0"]["next_offset"] == 33
    proven(job)
    job.run()
    lose_the_identity(job)
    again = repair(job)
    assert (again.status, again.document["lost_count"]) == (0, 0)
    assert places(job, topic)["0"]["next_offset"] == 35
    skipped = {*range(20, 26), *range(30, 33)}
    truth = [
        each for each in read_by_librdkafka(kafka, topic) if each.partition or each.offset not in skipped
    ]
    assert_same_records(job.records(), truth)
    proven(job)
