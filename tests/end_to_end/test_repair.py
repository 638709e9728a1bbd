"""A ledger that was lost or damaged is made anew: same rows, same position, and what is lost is named."""

import hashlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from loader.cli import process
from loader.commits.log import CommitLog
from loader.errors import PersonDecides
from loader.operations.listening import Step
from loader.operations.repairs.repair import propose, write_repair
from loader.tables.footers import read_footer
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .children import StoppedRun
from .conftest import NewFolderFunction, NewJobFunction
from .crashes import KILLED, _Countdown, _DeadlyStorage, _in_child, killed_at_step
from .folders import LocalFolder, commit_paths, published_paths
from .jobs import Ended, Job, kafka_loader
from .oracle import read_by_librdkafka
from .producing import HOUR_MS, T0_MS, Message, messages, produce, send, transactional_producer
from .records import Record, assert_same_records


@pytest.fixture
def topic(new_topic: NewTopicFunction) -> str:
    return new_topic(partitions=2)


def ten_each(first: int) -> list[Message]:
    """Ten records of each partition, of different hours: each goes to a file of its own."""
    return messages(10, first=first) + messages(10, partition=1, first=first, timestamp_ms=T0_MS + HOUR_MS)


@pytest.fixture
def job(topic: str, kafka: KafkaCluster, new_job: NewJobFunction) -> Job:
    """Three commits; the second loads aborted records only, so that it has no file."""
    job = new_job(topic)
    produce(kafka, topic, ten_each(0))
    later = [replace(each, timestamp_ms=each.timestamp_ms + 5 * HOUR_MS) for each in ten_each(10)]
    produce(kafka, topic, later)
    job.run()
    producer = transactional_producer(kafka, topic)
    producer.begin_transaction()
    send(producer, topic, messages(5, partition=1))
    producer.abort_transaction(30)
    while job.run()["version"] == 1:
        pass  # the marker is written a little later
    produce(kafka, topic, ten_each(20))
    job.run()
    return job


def loader_folder(job: Job) -> Path:
    return cast(LocalFolder, job.folder).path / "_loader" / "job"


def commit_file(job: Job, version: int) -> Path:
    return loader_folder(job) / "commits" / f"{version:020d}.json"


def repair(job: Job, *options: str) -> Ended:
    return kafka_loader("repair", str(job.config), "--json", *options)


def newest_commit(job: Job) -> Any:
    return json.loads(job.folder.read(commit_paths(job.folder)[-1]))["commit"]


def assert_goes_on(job: Job, kafka: KafkaCluster, topic: str, lost: list[Record] | None = None) -> None:
    """The next run loads what is new, each record once; the newest commit knows every file there is."""
    produce(kafka, topic, messages(7, first=50) + messages(7, partition=1, first=50))
    job.run()
    gone = {record.place for record in lost or ()}
    truth = [record for record in read_by_librdkafka(kafka, topic) if record.place not in gone]
    assert_same_records(job.records(), truth)
    repaired = json.loads(commit_file(job, newest_commit(job)["version"] - 1).read_bytes())["commit"]
    known = {file["path"] for commit in (repaired, newest_commit(job)) for file in commit["files"]}
    assert set(published_paths(job.folder)) == known
    assert kafka_loader("repair", str(job.config)).output.startswith("nothing to repair")
    proof = kafka_loader("verify", str(job.config), "--json")
    assert proof.status == 0, proof.document["problems"]


def lose_everything(job: Job) -> None:
    shutil.rmtree(loader_folder(job))


def lose_the_newest(job: Job) -> None:
    commit_file(job, 3).unlink()


def lose_the_first(job: Job) -> None:
    commit_file(job, 1).unlink()


def lose_the_one_without_files(job: Job) -> None:
    commit_file(job, 2).unlink()


def truncate_the_newest(job: Job) -> None:
    commit_file(job, 3).write_bytes(commit_file(job, 3).read_bytes()[:400])


def flip_a_byte(job: Job) -> None:
    document = bytearray(commit_file(job, 2).read_bytes())
    document[document.index(b"next_offset") + 13] ^= 1
    commit_file(job, 2).write_bytes(document)


def lose_the_identity(job: Job) -> None:
    (loader_folder(job) / "job.json").unlink()


def damage_the_identity(job: Job) -> None:
    (loader_folder(job) / "job.json").write_text('{"job_id": ')


HARMS = [
    lose_everything,
    lose_the_newest,
    lose_the_first,
    lose_the_one_without_files,
    truncate_the_newest,
    flip_a_byte,
    lose_the_identity,
    damage_the_identity,
]


@pytest.mark.parametrize("harm", HARMS)
def test_a_harmed_ledger_is_rebuilt_and_the_job_goes_on_with_each_record_once(
    harm: Callable[[Job], None], job: Job, kafka: KafkaCluster, topic: str
) -> None:
    records = job.records()
    old_commits = {path: job.folder.read(path) for path in commit_paths(job.folder)}
    harm(job)
    left = {path: job.folder.read(path) for path in old_commits if path in job.folder.paths()}
    stopped = job.try_run()
    if harm is not flip_a_byte:  # an old commit is read by `verify` only
        assert stopped.status == 4
    refused = repair(job)

    assert refused.status == 4
    assert refused.document["refusal"]
    # The aborted records that no file tells of lie between rows that were loaded.
    options = ["--yes"]
    if harm in (lose_everything, lose_the_one_without_files, flip_a_byte):
        assert repair(job, *options).status == 4
        options += ["--accept-loss"]
    ended = repair(job, *options)

    assert ended.status == 0, ended.errors
    assert ended.document["repaired"]
    assert job.records() == records
    assert {path: job.folder.read(path) for path in left} == left  # no commit is changed or deleted
    lost = [span for loaded in ended.document["ranges"] for span in loaded["lost_ranges"]]
    assert lost == ([[20, 26]] if len(options) == 2 else [])
    assert_goes_on(job, kafka, topic)


def test_what_was_found_is_shown_before_anything_is_written(job: Job) -> None:
    lose_the_newest(job)
    before = job.folder.paths()

    shown = kafka_loader("repair", str(job.config))

    assert shown.status == 4
    assert job.folder.paths() == before
    assert "has no commit 3, though 3 was made. The last good version is 2" in shown.output
    assert "good commits: 2, of 1 to 2" in shown.output
    assert re.search(r"not in a good commit: 2 files of run \S+ with 20 rows of", shown.output)
    assert "would write commit 4: 60 rows in 6 files" in shown.output
    assert "nobody was there to ask; agree with --yes" in shown.errors


@pytest.mark.parametrize(("answer", "status"), [(b"y\n", 0), (b"n\n", 4), (b"\n", 4)], ids=repr)
def test_a_person_at_a_terminal_is_asked(job: Job, answer: bytes, status: int) -> None:
    lose_the_newest(job)
    commits = commit_paths(job.folder)
    terminal, theirs = pty.openpty()
    command = [str(Path(sys.executable).with_name("kafka-loader")), "repair", str(job.config)]
    os.write(terminal, answer)

    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        output, errors = child.communicate(timeout=60)
    os.close(theirs)
    os.close(terminal)

    assert child.returncode == status, errors
    assert b"Write commit 4? [y/N]" in output
    assert len(commit_paths(job.folder)) == len(commits) + (status == 0)


def test_a_removed_file_is_recorded_as_lost_only_where_a_person_accepts_it(
    job: Job, kafka: KafkaCluster, topic: str
) -> None:
    path = next(path for path in published_paths(job.folder) if f"{topic}-0-0-9" in path)
    lost = [each for each in job.records() if (each.partition, each.offset < 10) == (0, True)]
    (cast(LocalFolder, job.folder).path / path).unlink()
    before = commit_paths(job.folder)
    refused = repair(job, "--yes")
    assert refused.status == 4
    assert "10 offsets would be recorded as lost" in refused.document["refusal"]
    assert refused.document["missing_files"] == [path]
    assert commit_paths(job.folder) == before

    ended = repair(job, "--yes", "--accept-loss")

    assert ended.status == 0
    assert ended.document["lost_count"] == 10
    (loaded,) = [each for each in ended.document["ranges"] if each["partition"] == 0]
    assert (loaded["row_count"], loaded["lost_count"]) == (20, 10)
    assert_goes_on(job, kafka, topic, lost)


def test_a_file_that_was_lost_together_with_the_ledger_is_missed(
    job: Job, kafka: KafkaCluster, topic: str
) -> None:
    path = next(path for path in published_paths(job.folder) if f"{topic}-1-10-19" in path)
    lost = [each for each in job.records() if each.partition == 1 and 10 <= each.offset < 20]
    (cast(LocalFolder, job.folder).path / path).unlink()
    lose_everything(job)

    assert repair(job, "--yes").status == 4
    ended = repair(job, "--yes", "--accept-loss")

    assert ended.document["lost_count"] == 10 + 6  # its rows, and the aborted ones that no file tells of
    assert_goes_on(job, kafka, topic, lost)


def unpublished(job: Job, topic: str, published_count: int, kafka: KafkaCluster) -> None:
    """A fourth commit, whose run died when so many of its two files were published; the commit is damaged."""
    produce(kafka, topic, ten_each(30))
    killed_at_step(job.config, Step.PUBLISH)
    root = cast(LocalFolder, job.folder).path
    storage = process.read_job(job.config).storage
    staged = sorted((loader_folder(job) / "runs").rglob("*.parquet"))
    assert len(staged) == 2
    for file in staged[:published_count]:
        footer = read_footer(storage, str(file.relative_to(root)), 0)
        assert footer is not None
        storage.move(str(file.relative_to(root)), footer.named_path)
    commit_file(job, 4).write_bytes(commit_file(job, 4).read_bytes()[:-20])


@pytest.mark.parametrize("published_count", [0, 1, 2])
def test_what_a_damaged_commit_had_not_published_yet_is_published_by_the_repair(
    published_count: int, job: Job, kafka: KafkaCluster, topic: str
) -> None:
    unpublished(job, topic, published_count, kafka)
    truth = read_by_librdkafka(kafka, topic)

    ended = repair(job, "--yes")

    assert ended.status == 0, ended.errors
    assert len(ended.document["files_to_publish"]) == 2 - published_count
    assert_same_records(job.records(), truth)
    assert_goes_on(job, kafka, topic)


def test_staged_files_of_a_run_that_never_committed_are_not_taken(
    job: Job, kafka: KafkaCluster, topic: str
) -> None:
    produce(kafka, topic, messages(10, first=30))
    killed_at_step(job.config, Step.COMMIT)
    lose_the_newest(job)
    records = job.records()

    ended = repair(job, "--yes")

    assert ended.status == 0
    assert ended.document["files_to_publish"] == []
    assert job.records() == records
    assert_goes_on(job, kafka, topic)


def test_a_run_that_may_still_be_at_work_keeps_a_repair_from_writing(
    job: Job, kafka: KafkaCluster, topic: str
) -> None:
    produce(kafka, topic, messages(10, first=30))
    with StoppedRun(job.config, Step.COMMIT) as run:
        lose_the_newest(job)
        before = commit_paths(job.folder)

        ended = repair(job, "--yes")

        assert ended.status == 4
        assert "may still be at work" in ended.errors
        assert commit_paths(job.folder) == before
        run.kill()
    assert repair(job, "--yes").status == 0
    assert_goes_on(job, kafka, topic)


def test_a_run_that_commits_while_a_person_thinks_keeps_the_repair_from_writing(
    job: Job, kafka: KafkaCluster, topic: str
) -> None:
    flip_a_byte(job)
    opened = process.read_job(job.config)
    proposal = propose(opened, process.now_ms(), process.is_dead)
    assert proposal is not None
    produce(kafka, topic, messages(10, first=30))
    job.run()
    before = job.folder.paths()

    with pytest.raises(PersonDecides, match="changed since it was looked at, by commit 4"):
        write_repair(opened, proposal, process.new_ticket(3), process.now_ms(), process.is_dead)

    assert job.folder.paths() == before
    assert repair(job, "--yes", "--accept-loss").status == 0
    assert_goes_on(job, kafka, topic)


def test_a_run_that_is_faster_than_the_mark_of_a_repair_does_not_hide_what_was_loaded_before(
    job: Job, kafka: KafkaCluster, topic: str
) -> None:
    flip_a_byte(job)
    produce(kafka, topic, messages(10, first=30))
    job.run()
    CommitLog(process.read_job(job.config).storage, "job").mark_first(4)

    ended = repair(job, "--yes", "--accept-loss")

    assert ended.status == 0
    assert "begins anew with commit 4, which is of a run" in ended.document["problem"]
    assert ended.document["version"] == 5
    assert_goes_on(job, kafka, topic)


def test_a_broken_file_and_a_copy_are_told_and_not_taken(job: Job) -> None:
    root = cast(LocalFolder, job.folder).path
    first = root / published_paths(job.folder)[0]
    shutil.copy(first, first.with_name("copy.parquet"))
    first.with_name("broken.parquet").write_bytes(b"PAR1 and nothing more")
    lose_the_newest(job)

    ended = repair(job, "--yes")

    assert ended.status == 0
    notes = "\n".join(ended.document["notes"])
    assert "not taken, moved or copied from" in notes
    assert "copy.parquet" in notes
    assert "not taken, cannot be read" in notes
    assert ended.document["file_count"] == len(published_paths(job.folder)) - 2


def test_a_file_that_a_kill_left_under_both_its_names_is_taken_once(
    job: Job, kafka: KafkaCluster, topic: str
) -> None:
    unpublished(job, topic, 0, kafka)
    root = cast(LocalFolder, job.folder).path
    for staged in (loader_folder(job) / "runs").rglob("*.parquet"):
        footer = read_footer(process.read_job(job.config).storage, str(staged.relative_to(root)), 0)
        assert footer is not None
        (root / footer.named_path).parent.mkdir(parents=True, exist_ok=True)
        os.link(staged, root / footer.named_path)
    truth = read_by_librdkafka(kafka, topic)

    ended = repair(job, "--yes")

    assert ended.status == 0, ended.errors
    assert ended.document["files_to_publish"] == []
    assert (ended.document["row_count"], ended.document["lost_count"]) == (len(truth), 0)
    assert_goes_on(job, kafka, topic)


def test_of_two_copies_of_a_file_whose_place_is_empty_one_is_taken(job: Job) -> None:
    path = cast(LocalFolder, job.folder).path / published_paths(job.folder)[0]
    shutil.copy(path, path.with_name("copy.parquet"))
    path.rename(path.with_name("renamed.parquet"))
    lose_everything(job)

    ended = repair(job, "--yes", "--accept-loss")

    assert ended.status == 0, ended.errors
    assert (ended.document["file_count"], ended.document["row_count"]) == (6, 60)
    assert any("not taken, moved or copied" in note for note in ended.document["notes"])


def test_a_file_that_is_hidden_from_readers_is_not_taken(job: Job) -> None:
    path = next(path for path in published_paths(job.folder) if "-0-20-29" in path)
    hidden = cast(LocalFolder, job.folder).path / Path(path).parts[0] / "_moved_away"
    hidden.mkdir()
    (cast(LocalFolder, job.folder).path / path).rename(hidden / "rows.parquet")
    lose_everything(job)

    ended = repair(job, "--yes", "--accept-loss")

    assert ended.status == 0, ended.errors
    assert ended.document["file_count"] == 5
    (loaded,) = [each for each in ended.document["ranges"] if each["partition"] == 0]
    assert loaded["end_offset"] == 20  # the next run reads its rows again


def test_a_listed_file_that_cannot_be_counted_is_named(job: Job) -> None:
    lose_everything(job)
    assert repair(job, "--yes", "--accept-loss").status == 0  # from now on one range of all offsets
    gone, broken = (
        cast(LocalFolder, job.folder).path / path
        for path in published_paths(job.folder)
        if "-0-0-9-" in path or "-0-10-19-" in path
    )
    gone.unlink()
    broken.write_bytes(bytes(broken.stat().st_size))

    ended = repair(job, "--yes", "--accept-loss")

    assert ended.status == 4
    assert broken.name in ended.errors
    broken.unlink()
    assert repair(job, "--yes", "--accept-loss").status == 0


def test_the_ledger_of_another_job_is_not_made_this_ones(job: Job) -> None:
    shutil.copytree(loader_folder(job), loader_folder(job).with_name("copied"))
    job.config.write_text(job.config.read_text().replace('name = "job"', 'name = "copied"'))
    before = job.folder.paths()

    ended = repair(job, "--yes")

    assert ended.status == 4
    assert "belongs to job 'job', not 'copied'" in ended.errors
    assert job.folder.paths() == before


def test_a_commit_of_a_newer_program_is_not_taken_for_a_damaged_one(job: Job) -> None:
    body = json.loads(commit_file(job, 3).read_bytes())["commit"] | {"format_version": 2}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    checksum = f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"
    commit_file(job, 3).write_text(json.dumps({"checksum": checksum, "commit": body}))
    before = job.folder.paths()

    ended = repair(job, "--yes")

    assert ended.status == 4
    assert "a newer kafka-loader wrote it" in ended.errors
    assert job.folder.paths() == before


def test_a_strangers_file_among_the_runs_is_no_run(job: Job) -> None:
    lose_the_newest(job)
    (loader_folder(job) / "runs" / "notes.txt").write_text("not a run")

    assert repair(job, "--yes").status == 0


def test_what_a_person_does_about_a_run_that_has_ended_elsewhere_loses_no_committed_row(
    job: Job, kafka: KafkaCluster, topic: str
) -> None:
    unpublished(job, topic, 1, kafka)
    truth = read_by_librdkafka(kafka, topic)
    (ticket,) = (loader_folder(job) / "runs").glob("*/run.json")
    ticket.write_text(json.dumps(json.loads(ticket.read_text()) | {"host": "elsewhere"}))

    refused = repair(job, "--yes")

    assert refused.status == 4
    assert re.search(r"delete \S+/run\.json", refused.errors)
    ticket.unlink()
    assert repair(job, "--yes").status == 0
    assert_same_records(job.records(), truth)
    assert_goes_on(job, kafka, topic)


def repair_until(config: Path, number: int) -> None:
    """Repair in this process, which is killed before its write of that number."""
    job = process.read_job(config)
    deadly = type(job)(job.config, cast(Any, _DeadlyStorage(job.storage, _Countdown(number))), job.kafka)
    proposal = propose(job, process.now_ms(), process.is_dead)
    assert proposal is not None
    ticket = process.new_ticket(proposal.version - 1)
    write_repair(deadly, proposal, ticket, process.now_ms(), process.is_dead)


def test_a_repair_killed_before_any_of_its_writes_can_be_repeated(
    job: Job, kafka: KafkaCluster, topic: str, tmp_path: Path, new_job: NewJobFunction
) -> None:
    unpublished(job, topic, 1, kafka)
    lose_the_identity(job)
    truth = read_by_librdkafka(kafka, topic)
    killed_count = 0
    while True:
        folder = LocalFolder(tmp_path / f"kill-{killed_count}")
        shutil.copytree(cast(LocalFolder, job.folder).path, folder.path)
        again = new_job(topic, folder=folder)

        status = _in_child(repair_until, again.config, killed_count + 1)
        assert status in (0, KILLED)

        visible = again.records()
        assert_same_records(visible, [record for record in truth if record in visible])
        if status == 0:
            assert again.try_run().status == 0
            assert_same_records(again.records(), truth)
            break
        killed_count += 1
        ended = repair(again, "--yes")
        assert ended.status == 0 or "nothing to repair" in ended.output, ended.errors
        again.run()
        assert_same_records(again.records(), truth)
    assert killed_count >= 10


def test_a_ledger_on_hdfs_is_rebuilt(
    kafka: KafkaCluster, topic: str, new_folder: NewFolderFunction, new_job: NewJobFunction
) -> None:
    produce(kafka, topic, messages(10))
    job = new_job(topic, folder=new_folder("hdfs"))
    job.run()
    produce(kafka, topic, messages(10, first=10))
    job.run()
    storage = process.read_job(job.config).storage
    storage.delete("_loader/job")
    assert job.try_run().status == 4

    assert repair(job, "--yes").status == 0

    assert job.run()["row_count"] == 0  # the empty partition begins anew
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))


def test_a_job_that_never_ran_and_one_that_is_whole_need_no_repair(
    topic: str, new_job: NewJobFunction, kafka: KafkaCluster
) -> None:
    job = new_job(topic)
    assert repair(job, "--yes").document == {"job": "job", "repaired": False, "sound": True}
    assert job.folder.paths() == []
    produce(kafka, topic, messages(3))
    job.run()
    before = job.folder.paths()
    assert repair(job, "--yes").status == 0
    assert job.folder.paths() == before
