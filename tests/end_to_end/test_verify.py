"""`kafka-loader verify` proves a sound destination, and finds each harm that is done to one, by its place."""

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from loader.cli import process
from loader.kafka_source.watermarks import read_bounds
from loader.operations.listening import Step
from loader.operations.proof.verify import verify
from loader.planning.bounds import TopicBounds
from local_services.kafka import KafkaCluster
from local_services.ports import choose_ports
from tests.commits.examples import disturbed
from tests.conftest import NewTopicFunction, _wait_for_leaders
from tests.kafka_source.asking import delete_records

from .conftest import NewFolderFunction, NewJobFunction
from .crashes import killed_at_step
from .folders import HdfsFolder, LocalFolder, staged_paths
from .harms import Copy, Document, copy_of, flip, footer_facts, last_byte_of_values, rewrite, write_commit
from .jobs import Ended, Job, kafka_loader, write_config
from .oracle import read_by_librdkafka
from .producing import (
    HOUR_MS,
    T0_MS,
    Ends,
    Message,
    messages,
    produce,
    send,
    transactional_producer,
    wait_for_ends,
    wait_until,
)

ORDERS, COMPACTED, LOSSY = "verified-orders", "verified-compacted", "verified-lossy"

COMPACT = {
    "cleanup.policy": "compact",
    "segment.ms": "1000",
    "min.cleanable.dirty.ratio": "0.001",
    "min.compaction.lag.ms": "0",
}


def verified(job: Job, *options: str) -> Ended:
    return kafka_loader("verify", str(job.config), "--json", *options)


def kinds(ended: Ended) -> list[str]:
    return [problem["kind"] for problem in ended.document["problems"]]


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder with its size and time of change."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def prepared(kafka: KafkaCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """Three runs of three topics; nobody changes it, and nobody produces to its topics.

    orders     two partitions, two hours; a transaction aborted and one committed in each run
    compacted  compacted before the first run, and after the second
    lossy      records expired before the third run, and a person accepted that
    """
    for topic, partitions, config in ((ORDERS, 2, {}), (COMPACTED, 1, COMPACT), (LOSSY, 1, {})):
        create(kafka, topic, partitions, config)
    folder = LocalFolder(tmp_path_factory.mktemp("verified") / "destination")
    config_path = folder.path.with_suffix(".toml")
    entries = tuple({"name": topic} for topic in (ORDERS, COMPACTED, LOSSY))
    servers = {"bootstrap_servers": kafka.bootstrap_servers.split(","), "request_timeout_ms": 20000}
    write_config(config_path, {"name": "job", "destination": folder.url}, entries, {"kafka": servers})
    job = Job(config_path, folder)
    producer = transactional_producer(kafka, ORDERS)
    fill_compacted(kafka, rounds=3, first_round=0)
    wait_until(lambda: len(read_by_librdkafka(kafka, COMPACTED)) == 6, "the topic to be compacted")
    for number in range(3):
        last_hour = T0_MS - HOUR_MS
        produce(kafka, ORDERS, messages(5, partition=1, first=10 * number))
        for commit, timestamp_ms in ((True, T0_MS), (False, T0_MS), (True, last_hour)):
            producer.begin_transaction()
            send(producer, ORDERS, messages(4, first=10 * number, timestamp_ms=timestamp_ms))
            producer.commit_transaction(30) if commit else producer.abort_transaction(30)
        wait_for_ends(kafka, ORDERS, Ends(15 * (number + 1), 15 * (number + 1)))
        produce(kafka, LOSSY, messages(10, first=10 * number))
        if number == 1:
            fill_compacted(kafka, rounds=3, first_round=3)
        if number == 2:
            delete_records(kafka, LOSSY, 24)
        job.run("--accept-loss")
    wait_until(lambda: len(read_by_librdkafka(kafka, COMPACTED)) <= 7, "the topic to be compacted again")
    before = tree(folder.path)
    yield job
    assert tree(folder.path) == before, "verify reads only, and no test changes what all share"


def create(kafka: KafkaCluster, topic: str, partitions: int, config: dict[str, str]) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})

    def created() -> bool:
        try:
            admin.create_topics([NewTopic(topic, partitions, 1, config=config)])[topic].result(30)
        except KafkaException:  # one of that name is still being deleted
            return False
        return True

    wait_until(created, f"{topic} to be created")
    _wait_for_leaders(admin, topic, partitions)


def fill_compacted(kafka: KafkaCluster, rounds: int, first_round: int) -> None:
    """The same five keys in each round, a segment each, and one more record that rolls the last of them."""
    for number in range(first_round, first_round + rounds):
        time_ms = T0_MS + number * HOUR_MS
        sent = [Message(b"%d of round %d" % (key, number), b"%d" % key, (), time_ms) for key in range(5)]
        produce(kafka, COMPACTED, sent)
    produce(kafka, COMPACTED, [Message(b"last", b"last", (), T0_MS + (first_round + rounds) * HOUR_MS)])


@pytest.fixture
def copy(prepared: Job, tmp_path: Path) -> Copy:
    return copy_of(prepared, tmp_path / "copy")


def test_a_sound_destination_is_proven_with_its_numbers(prepared: Job) -> None:
    ended = verified(prepared, "--deep", "--against-kafka")

    report = ended.document
    assert (ended.status, report["exit_status"], report["problems"], report["unanswered"]) == (0, 0, [], {})
    assert (report["version"], report["commit_count"]) == (3, 3)
    partitions = {(each["topic"], each["partition"]): each for each in report["partitions"]}
    counts = [f"{name}_count" for name in ("row", "aborted", "control", "compacted", "lost")]
    names = ["start_offset", "end_offset", *counts]
    assert {key: [each[name] for name in names] for key, each in partitions.items()} == {
        (ORDERS, 0): [0, 45, 24, 12, 9, 0, 0],
        (ORDERS, 1): [0, 15, 15, 0, 0, 0, 0],
        (COMPACTED, 0): [0, 32, *compacted_counts(prepared)],
        (LOSSY, 0): [0, 30, 26, 0, 0, 0, 4],
    }
    records = prepared.records()
    assert report.keys() == {
        *("job", "destination", "exit_status", "version", "commit_count", "file_count", "row_count"),
        "quarantined_count",
        *("size_bytes", "deep", "compared", "partitions", "problems", "notes", "unanswered"),
    }
    files = [
        path
        for path in prepared.folder.paths()
        if path.endswith(".parquet") and not path.startswith("_loader/")
    ]
    assert (report["row_count"], report["file_count"]) == (len(records), len(files))
    assert report["size_bytes"] == sum(len(prepared.folder.read(path)) for path in files)


def compacted_counts(job: Job) -> tuple[int, int, int, int, int]:
    """Rows, and offsets without one, of which compaction before the load took all."""
    rows = [record for record in job.records() if record.topic == COMPACTED]
    assert len(rows) < 32
    return len(rows), 0, 0, 32 - len(rows), 0


def test_rows_that_kafka_compacted_away_or_expired_since_are_counted_and_no_problem(
    prepared: Job, kafka: KafkaCluster
) -> None:
    left = [record for topic in (ORDERS, COMPACTED, LOSSY) for record in read_by_librdkafka(kafka, topic)]
    published = {record.place for record in prepared.records() if record.topic == COMPACTED}
    gone = published - {record.place for record in left}

    report = verified(prepared, "--against-kafka").document

    assert report["compared"] == {"sample_count": 4, "row_count": len(left), "gone_count": len(gone)}
    assert gone


def test_a_person_reads_a_table_and_what_is_proven(prepared: Job) -> None:
    ended = kafka_loader("verify", str(prepared.config), "--deep", "--against-kafka")

    heading, *rows = ended.output.splitlines()[:4]
    assert heading.split()[:4] == ["topic", "partitions", "offsets", "rows"]
    assert {row.split()[0]: row.split()[1:] for row in rows}[ORDERS] == [
        "2",
        "60",
        "39",
        "0",
        "12",
        "9",
        "0",
        "0",
    ]
    assert "proven for 3 commits: " in ended.output
    assert "each offset once, and every other offset is explained; all pages decode; " in ended.output
    assert (ended.status, ended.errors) == (0, "")


def test_a_job_without_commits_says_so(new_job: NewJobFunction) -> None:
    job = new_job("topic")

    ended = kafka_loader("verify", str(job.config))

    assert ended.status == 0
    assert f"job job has not committed anything yet; next: kafka-loader run {job.config}" in ended.output
    assert verified(job).document["commit_count"] == 0
    assert job.folder.paths() == []


Found = tuple[str, str | None, str]
"""A problem that a harm must be found as: its kind, its file, and words of its message."""


def removed(copy: Copy) -> list[Found]:
    file = copy.file_of(LOSSY)
    file.unlink()
    said = "is missing, with 10 rows of verified-lossy-0[0, 10), which commit 1 added"
    return [("file-missing", copy.relative(file), said)]


def truncated(copy: Copy) -> list[Found]:
    file = copy.file_of(LOSSY)
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    said = f"has {len(whole) - 100} bytes, but {len(whole)} by commit 1"
    return [("file-size", copy.relative(file), said), ("file-broken", copy.relative(file), "not a whole")]


def emptied(copy: Copy) -> list[Found]:
    file = copy.file_of(LOSSY)
    file.write_bytes(b"")
    path = copy.relative(file)
    return [("file-size", path, "has 0 bytes"), ("file-broken", path, "not a whole Parquet file")]


def replaced_by_noise(copy: Copy) -> list[Found]:
    file = copy.file_of(LOSSY)
    file.write_bytes(random.Random(1).randbytes(file.stat().st_size))
    return [("file-broken", copy.relative(file), "is not a whole Parquet file")]


def replaced_by_another_of_the_job(copy: Copy) -> list[Found]:
    file, other = copy.file_of(LOSSY, number=0), copy.file_of(LOSSY, number=1)
    assert file.stat().st_size == other.stat().st_size
    shutil.copy(other, file)
    path = copy.relative(file)
    return [
        ("footer", path, "ranges ['verified-lossy-0[10, 20)'], commit 1 says ['verified-lossy-0[0, 10)']"),
        ("offset-stranger", path, "offsets 10, 11, 12, 13, 14 …, which commit 1 did not load"),
        ("offset-missing", None, "10 of 10 rows are in no file of commit 1; offsets without a row: 0-9"),
    ]


def a_row_dropped(copy: Copy) -> list[Found]:
    file = copy.file_of(LOSSY)
    rewrite(file, lambda rows: rows.pop(3))
    return [
        ("footer", copy.relative(file), "it has 9 rows, but its footer tells of 10"),
        ("offset-missing", None, "verified-lossy-0[0, 10): 1 of 10 rows are in no file of commit 1"),
    ]


def a_row_dropped_and_the_footer_forged(copy: Copy) -> list[Found]:
    file = copy.file_of(LOSSY)
    rewrite(file, lambda rows: rows.pop(3), {"loader.row_count": "9"})
    return [
        ("footer", copy.relative(file), "row_count 9, commit 1 says 10"),
        ("offset-missing", None, "offsets without a row: 3"),
    ]


def a_row_dropped_and_footer_and_file_entry_forged(copy: Copy) -> list[Found]:
    file = copy.file_of(LOSSY)
    rewrite(file, lambda rows: rows.pop(3), {"loader.row_count": "9"}, same_size=False)
    of_file(copy, file, row_count=9, size_bytes=file.stat().st_size)
    return [("offset-missing", None, "offsets without a row: 3")]


def a_row_doubled_in_the_place_of_another(copy: Copy) -> list[Found]:
    file = copy.file_of(LOSSY)
    rewrite(file, lambda rows: rows.__setitem__(4, rows[3]))
    return [
        ("offset-twice", copy.relative(file), "1 row of verified-lossy-0, offset 3, which are"),
        ("offset-missing", None, "offsets without a row: 4"),
    ]


def a_row_doubled_under_another_size(copy: Copy) -> list[Found]:
    file = copy.file_of(LOSSY)
    rewrite(file, lambda rows: rows.insert(4, rows[3]), same_size=False)
    path = copy.relative(file)
    return [
        ("file-size", path, "by commit 1"),
        ("footer", path, "it has 11 rows, but its footer tells of 10"),
        ("offset-twice", path, "offset 3"),
    ]


def a_row_of_another_file_of_the_commit(copy: Copy) -> list[Found]:
    first, second = (
        copy.root / entry["path"]
        for entry in copy.commit(0)["files"]
        if entry["topic"] == ORDERS and entry["ranges"][0][0] == 0
    )
    rows: list[Document] = []
    rewrite(first, lambda its: rows.append(its[0]))
    rewrite(second, lambda its: its.__setitem__(0, {**its[0], "offset": rows[0]["offset"]}))
    return [
        ("offset-twice", copy.relative(second), f"offset {rows[0]['offset']}, which are in this or another"),
        ("offset-missing", None, "verified-orders-0[0, 15): 1 of 8 rows are in no file of commit 1"),
    ]


def a_row_of_no_range(copy: Copy) -> list[Found]:
    file = copy.file_of(LOSSY)
    rewrite(file, lambda rows: rows[9].update(offset=1_000_000_000))
    return [
        ("offset-stranger", copy.relative(file), "1 row of verified-lossy-0, offset 1000000000, which"),
        ("offset-missing", None, "offsets without a row: 9"),
    ]


def a_row_of_another_partition(copy: Copy) -> list[Found]:
    file = copy.file_of(LOSSY)
    rewrite(file, lambda rows: rows[0].update(partition=-1))
    return [
        ("offset-stranger", copy.relative(file), "1 row of verified-lossy--1, offset 0, which"),
        ("offset-missing", None, "offsets without a row: 0"),
    ]


def a_row_of_another_topic(copy: Copy) -> list[Found]:
    file = copy.file_of(LOSSY)
    rewrite(file, lambda rows: rows[0].update(topic=ORDERS, partition=1, offset=2))
    return [
        ("offset-stranger", copy.relative(file), "1 row of verified-orders-1, offset 2, which"),
        ("offset-missing", None, "verified-lossy-0[0, 10): 1 of 10 rows are in no file of commit 1"),
    ]


def rows_out_of_order(copy: Copy) -> list[Found]:
    file = copy.file_of(LOSSY)
    rewrite(file, lambda rows: rows.insert(0, rows.pop(5)))
    return [("offset-order", copy.relative(file), "1 row of verified-lossy-0, offset 0, which come behind")]


def another_run(copy: Copy) -> list[Found]:
    file = copy.file_of(LOSSY)
    run_id = footer_facts(file)["loader.run_id"]
    rewrite(file, lambda rows: rows, {"loader.run_id": "z" * len(run_id)})
    return [("footer", copy.relative(file), f"commit 1 says {run_id}")]


def another_program(copy: Copy) -> list[Found]:
    file = copy.file_of(LOSSY)
    facts = footer_facts(file)
    rewrite(file, lambda rows: rows)
    data = file.read_bytes()
    for name in facts:
        data = data.replace(name.encode(), name.replace("loader", "stream").encode())
    file.write_bytes(data)
    return [("footer", copy.relative(file), "another program wrote it")]


def copied_to_another_name(copy: Copy) -> list[Found]:
    file = copy.file_of(LOSSY)
    double = file.with_name("double.parquet")
    shutil.copy(file, double)
    return [
        ("stray-file", copy.relative(double), f"a copy of {copy.relative(file)}, so readers see its rows")
    ]


def of_file(copy: Copy, file: Path, number: int = 0, **changes: object) -> None:
    """Change what a commit says of a file."""

    def change(commit: Document) -> None:
        (entry,) = [entry for entry in commit["files"] if entry["path"] == copy.relative(file)]
        entry.update(changes)

    copy.rewrite_commit(number, change)


@pytest.mark.parametrize(
    "harm",
    [
        removed,
        truncated,
        emptied,
        replaced_by_noise,
        replaced_by_another_of_the_job,
        a_row_dropped,
        a_row_dropped_and_the_footer_forged,
        a_row_dropped_and_footer_and_file_entry_forged,
        a_row_doubled_in_the_place_of_another,
        a_row_doubled_under_another_size,
        a_row_of_another_file_of_the_commit,
        a_row_of_no_range,
        a_row_of_another_partition,
        a_row_of_another_topic,
        rows_out_of_order,
        another_run,
        another_program,
        copied_to_another_name,
    ],
    ids=lambda harm: harm.__name__,
)
def test_harm_to_a_file_is_found_and_named(harm: Callable[[Copy], list[Found]], copy: Copy) -> None:
    expected = harm(copy)

    ended = verified(copy.job)

    assert_found(ended, expected)


def assert_found(ended: Ended, expected: list[Found]) -> None:
    """These problems and no others, each at its place, with its words and what a person can choose."""
    problems = ended.document["problems"]
    assert ended.status == 4, ended.errors
    places = Counter((each["kind"], each["path"]) for each in problems)
    assert places == Counter((kind, path) for kind, path, _ in expected), problems
    for kind, path, words in expected:
        assert any(
            words in each["message"] for each in problems if (each["kind"], each["path"]) == (kind, path)
        ), (words, problems)
    assert all(each["choices"] and all(choice["command"] for choice in each["choices"]) for each in problems)


def test_a_flipped_bit_in_a_page_is_found_by_decoding_all_pages(copy: Copy) -> None:
    file = copy.file_of(LOSSY)
    flip(file, last_byte_of_values(file))

    assert verified(copy.job).status == 0
    assert_found(
        verified(copy.job, "--deep"),
        [("file-broken", copy.relative(file), "row group 0 cannot be decoded")],
    )


CHANGES: dict[str, tuple[Document, str]] = {
    "value": ({"value": b"value 5."}, "value differs: 8 bytes in Kafka, 8 bytes in the file"),
    "key": ({"key": None}, "key differs: 6 bytes in Kafka, null in the file"),
    "headers": ({"headers": [{"key": "a", "value": b"b"}]}, "headers differs: null in Kafka, 1 headers"),
    "timestamp": ({"timestamp": None}, "timestamp differs: 1709200825000000 in Kafka, null in the file"),
    "timestampType": ({"timestampType": 1}, "timestampType differs: 0 in Kafka, 1 in the file"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_row_is_found_by_comparing_with_kafka(name: str, copy: Copy) -> None:
    changed, words = CHANGES[name]
    file = copy.file_of(LOSSY, number=2)
    rewrite(file, lambda rows: rows[1].update(changed), same_size=False)
    of_file(copy, file, 2, size_bytes=file.stat().st_size)

    assert verified(copy.job, "--deep").status == 0
    assert_found(
        verified(copy.job, "--against-kafka"),
        [("payload", copy.relative(file), f"{LOSSY}-0 offset 25: {words}")],
    )


def test_a_row_that_ledger_and_footer_deny_is_found_in_kafka(copy: Copy) -> None:
    file = copy.file_of(LOSSY, number=2)
    rewrite(file, lambda rows: rows.pop(1), {"loader.row_count": "5"}, same_size=False)
    of_file(copy, file, 2, size_bytes=file.stat().st_size, row_count=5)
    lossy_range(copy, 2, row_count=5, compacted_count=1)

    assert verified(copy.job, "--deep").status == 0
    found = ("payload", None, f"{LOSSY}-0 offset 25: Kafka has this record, but no file does")
    assert_found(verified(copy.job, "--against-kafka"), [found])


# Harms to the ledger: each as a person or a program might do it, most with a checksum that is right.


def path_of(copy: Copy, number: int) -> str:
    return copy.relative(copy.ledger[number])


def edited(copy: Copy) -> list[Found]:
    path = copy.ledger[2]
    path.write_text(path.read_text().replace('"operation":"load"', '"operation":"lard"'))
    return [
        ("commit", path_of(copy, 2), "was changed after it was written"),
        *strays_of(copy, 2),
    ]


def no_json(copy: Copy) -> list[Found]:
    harmed = strays_of(copy, 1)
    copy.ledger[1].write_bytes(copy.ledger[1].read_bytes()[:100])
    return [("commit", path_of(copy, 1), "is not a commit: 100 bytes"), *holes_of_commit_2(), *harmed]


def lost_in_the_middle(copy: Copy) -> list[Found]:
    harmed = strays_of(copy, 1)
    copy.ledger[1].unlink()
    return [("commit", None, "has no commit 2, though 3 was made"), *holes_of_commit_2(), *harmed]


def newest_lost(copy: Copy) -> list[Found]:
    harmed = strays_of(copy, 2)
    copy.ledger[2].unlink()
    return [("commit", None, "has no commit 3, though 3 was made"), *harmed]


def first_lost(copy: Copy) -> list[Found]:
    harmed = strays_of(copy, 0)
    copy.ledger[0].unlink()
    return [("commit", None, "has no commit 1, though 2 was made"), *harmed]


def strays_of(copy: Copy, number: int) -> list[Found]:
    """Where a commit is lost, nothing tells of its files any more."""
    commit = copy.commit(number)
    words = f"which run {commit['run_id']} of this job wrote: the ledger may have lost that run's commit"
    return [("stray-file", entry["path"], words) for entry in commit["files"]]


def holes_of_commit_2() -> list[Found]:
    holes = (f"{ORDERS}-0[15, 30)", f"{ORDERS}-1[5, 10)", f"{COMPACTED}-0[16, 32)", f"{LOSSY}-0[10, 20)")
    return [("range-hole", None, f"tells nothing of {hole}") for hole in holes]


def identity_lost(copy: Copy) -> list[Found]:
    path = copy.root / "_loader/job/job.json"
    path.unlink()
    return [("commit", copy.relative(path), "is missing, though there are commits")]


def another_cluster(copy: Copy) -> list[Found]:
    copy.rewrite_commit(2, lambda commit: commit.update(cluster_id="other"))
    said = [("footer", entry["path"], "cluster_id") for entry in copy.commit(2)["files"]]
    return [("commit", path_of(copy, 2), "is of Kafka cluster other, the ones before of"), *said]


def position_too_far(copy: Copy) -> list[Found]:
    copy.rewrite_commit(2, lambda commit: commit["position"][LOSSY]["partitions"]["0"].update(next_offset=31))
    return [
        ("position", path_of(copy, 2), f"{LOSSY}-0 31 (leader epoch 0), not 30"),
        ("range-hole", None, f"tells nothing of {LOSSY}-0[30, 31), 1 offsets before those of the position"),
    ]


def topic_id_changed(copy: Copy) -> list[Found]:
    copy.rewrite_commit(2, lambda commit: commit["position"][LOSSY].update(topic_id="other"))
    said = [("footer", entry["path"], "topic_id") for entry in copy.commit(2)["files"]]
    said = [each for each in said if each[1] is not None and LOSSY in each[1]]
    return [("position", path_of(copy, 2), f"{LOSSY} has topic id other, but"), *said]


def lossy_range(copy: Copy, number: int, **changes: object) -> None:
    def change(commit: Document) -> None:
        (entry,) = [each for each in commit["ranges"] if each["topic"] == LOSSY]
        entry.update(changes)

    copy.rewrite_commit(number, change)


def range_begins_later(copy: Copy) -> list[Found]:
    lossy_range(copy, 1, start_offset=12, row_count=8)
    (path,) = [entry["path"] for entry in copy.commit(1)["files"] if entry["topic"] == LOSSY]
    return [
        ("range-hole", None, f"tells nothing of {LOSSY}-0[10, 12), 2 offsets before those of commit 2"),
        ("offset-stranger", path, "2 rows of verified-lossy-0, offsets 10, 11, which commit 2 did not load"),
    ]


def range_begins_earlier(copy: Copy) -> list[Found]:
    lossy_range(copy, 1, start_offset=8, compacted_count=2)
    return [("range-overlap", path_of(copy, 1), f"{LOSSY}-0[8, 20) begins below offset 10")]


def counts_that_explain_less(copy: Copy) -> list[Found]:
    lossy_range(copy, 1, row_count=9)
    return [
        ("counts", path_of(copy, 1), f"{LOSSY}-0[10, 20) has 10 offsets, but its counts explain 9"),
        ("counts", None, "hold 10 different offsets, but counted are 9 rows"),
    ]


@pytest.mark.parametrize(
    "harm",
    [
        edited,
        no_json,
        lost_in_the_middle,
        newest_lost,
        first_lost,
        identity_lost,
        another_cluster,
        position_too_far,
        topic_id_changed,
        range_begins_later,
        range_begins_earlier,
        counts_that_explain_less,
    ],
    ids=lambda harm: harm.__name__,
)
def test_harm_to_the_ledger_is_found_and_named(harm: Callable[[Copy], list[Found]], copy: Copy) -> None:
    expected = harm(copy)

    assert_found(verified(copy.job), expected)


def test_a_ledger_of_which_nothing_can_be_read_ends_with_its_choices(copy: Copy) -> None:
    for path in copy.ledger:
        path.write_bytes(b"")

    ended = kafka_loader("verify", str(copy.job.config))

    assert ended.status == 4
    assert "is not a commit: 0 bytes" in ended.errors
    assert f"kafka-loader repair {copy.job.config}" in ended.errors


def test_files_of_a_job_whose_whole_ledger_is_gone_are_strays(copy: Copy) -> None:
    files = sorted(path for path in copy.job.folder.paths() if not path.startswith("_loader/"))
    shutil.rmtree(copy.root / "_loader")

    ended = verified(copy.job)

    assert ended.status == 4
    assert sorted((each["kind"], each["path"]) for each in ended.document["problems"]) == [
        ("stray-file", path) for path in files
    ]


def test_files_of_others_in_a_topics_folder_are_noted_and_no_problem(copy: Copy) -> None:
    file = copy.file_of(LOSSY)
    strangers = {
        "stranger.parquet": "another program wrote it, and readers see its rows",
        "broken.parquet": "it cannot be read, though readers will try",
        "other.parquet": "no commit of this job lists",
        "_SUCCESS": None,
    }
    for name in strangers:
        shutil.copy(file, file.with_name(name))
    rewrite(file.with_name("other.parquet"), lambda _: 0, {"loader.job": "other", "loader.job_id": "other"})
    file.with_name("broken.parquet").write_bytes(b"PAR1")
    data = file.with_name("stranger.parquet").read_bytes()
    file.with_name("stranger.parquet").write_bytes(data.replace(b"loader.", b"stream."))
    (copy.root / "elsewhere").mkdir()
    (copy.root / "elsewhere/unread.parquet").write_bytes(b"PAR1")

    ended = verified(copy.job)

    assert (ended.status, ended.document["problems"]) == (0, [])
    assert len(ended.document["notes"]) == 3
    for name, words in strangers.items():
        told = [note for note in ended.document["notes"] if name in note]
        assert [words in note for note in told if words] == ([True] if words else [])


def test_problems_are_told_to_a_person_with_commands_that_can_be_pasted(copy: Copy) -> None:
    copy.file_of(LOSSY).unlink()

    ended = kafka_loader("verify", str(copy.job.config))

    assert ended.status == 4
    assert "file-missing: " in ended.errors
    assert "1 problem. Nothing was changed. Choices:" in ended.errors
    assert f": kafka-loader repair {copy.job.config} --accept-loss" in ended.errors
    assert "proven" not in ended.output


def test_a_commit_that_waits_to_be_published_is_noted_and_its_staged_files_stand_for_it(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, tmp_path: Path
) -> None:
    topic = new_topic()
    job = new_job(topic)
    for first in (0, 10):
        produce(kafka, topic, messages(10, first=first))
        if first == 0:
            job.run()
    killed_at_step(job.config, Step.PUBLISH)
    waiting = copy_of(job, tmp_path / "waiting")
    (staged,) = [path for path in staged_paths(waiting.job.folder) if path.endswith(".parquet")]

    ended = verified(waiting.job, "--deep", "--against-kafka")

    assert (ended.status, ended.document["problems"], ended.document["row_count"]) == (0, [], 20)
    (note,) = ended.document["notes"]
    assert note.startswith("commit 2 is not published yet: 1 of its 1 files wait in _loader/job/runs/")
    assert f"`kafka-loader run {waiting.job.config}` makes them visible" in note
    assert ended.document["compared"]["row_count"] == 20

    read = process.read_job(copy_of(waiting.job, tmp_path / "published").job.config)
    place = waiting.commit(1)["files"][0]["path"]

    def publish_and_open(path: str) -> BinaryIO:
        if path == staged:
            read.storage.move(staged, place)
        return read.storage.open(path)

    meanwhile = replace(read, storage=disturbed(read.storage, open=publish_and_open))
    report = verify(meanwhile, random.Random(1), deep=False, against_kafka=True)
    assert (report.problems, report.row_count) == ((), 20), "another run published it in mid-verify"

    (waiting.root / staged).unlink()

    assert kinds(verified(waiting.job)) == ["file-missing"]

    job.run()

    assert verified(job).document["notes"] == []


def test_a_ledger_that_a_repair_began_anew_is_proven_from_there(copy: Copy) -> None:
    commits = [copy.commit(number) for number in range(3)]
    ranges: dict[tuple[str, int], Document] = {}
    for entry in (entry for commit in commits for entry in commit["ranges"]):
        before = ranges.get((entry["topic"], entry["partition"]))
        added = (
            {name: before[name] + entry[name] for name in entry if name.endswith("_count")} if before else {}
        )
        start = {"start_offset": before["start_offset"]} if before else {}
        ranges[entry["topic"], entry["partition"]] = {**entry, **added, **start}
    repair = {
        **commits[2],
        "version": 4,
        "operation": "repair",
        "run_id": "repair-1",
        "ranges": list(ranges.values()),
        "files": [file for commit in commits for file in commit["files"]],
    }
    old = copy.ledger
    ledger = copy.root / "_loader/job"
    write_commit(ledger / "commits" / f"{4:020d}.json", repair)
    old[1].write_text("damaged")

    for first_is_marked in (False, True):
        if first_is_marked:
            (ledger / "first" / f"{4:020d}").mkdir(parents=True)
            old[2].unlink()

        ended = verified(copy.job, "--deep", "--against-kafka")

        assert (ended.status, ended.document["problems"]) == (0, [])
        assert (ended.document["version"], ended.document["commit_count"]) == (4, 1)

    copy.file_of(LOSSY).unlink()
    assert kinds(verified(copy.job)) == ["file-missing"]


def test_only_the_comparison_with_kafka_asks_brokers(copy: Copy, kafka: KafkaCluster) -> None:
    (port,) = choose_ports(1)
    config = copy.job.config.read_text().replace(kafka.bootstrap_servers, f"127.0.0.1:{port}")
    copy.job.config.write_text(config.replace("request_timeout_ms = 20000", "request_timeout_ms = 1000"))

    assert verified(copy.job, "--deep").status == 0
    ended = verified(copy.job, "--against-kafka")

    assert ended.status == 3
    assert f"127.0.0.1:{port}" in ended.errors


def test_what_kafka_no_longer_has_is_noted_and_the_rest_compared(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    kept, expired, gone, again = (new_topic() for _ in range(4))
    for topic in (kept, expired, gone, again):
        produce(kafka, topic, messages(10))
    job = new_job(kept, expired, gone, again)
    job.run()
    delete_records(kafka, kept, 4)
    delete_records(kafka, expired, 10)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})
    for future in admin.delete_topics([gone, again]).values():
        future.result(30)
    wait_until(lambda: not {gone, again} & {*admin.list_topics(timeout=10).topics}, "the topics to be gone")
    create(kafka, again, 1, {})
    produce(kafka, again, messages(10, first=100))

    report = verified(job, "--against-kafka").document

    assert (report["exit_status"], report["problems"]) == (0, [])
    assert report["compared"] == {"sample_count": 1, "row_count": 6, "gone_count": 0}
    by_topic = {note.split()[0]: note for note in report["notes"]}
    assert by_topic.keys() == {gone, again, f"{expired}-0"}
    assert "was not compared: the cluster has no such topic any more" in by_topic[gone]
    assert "was not compared: it was created again, its topic id was" in by_topic[again]
    assert "was not compared: Kafka has none of the loaded offsets any more" in by_topic[f"{expired}-0"]


def test_a_partition_that_gives_no_answer_is_named_and_makes_it_run_again(
    prepared: Job, copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*arguments: Any) -> dict[str, TopicBounds]:
        return {
            name: replace(bounds, partitions={}, unlisted=dict.fromkeys(bounds.partitions, "no leader"))
            if name == ORDERS
            else bounds
            for name, bounds in read_bounds(*arguments).items()
        }

    monkeypatch.setattr("loader.operations.proof.kafka_samples.read_bounds", silent)

    ended = verified(prepared, "--against-kafka")
    told = kafka_loader("verify", str(prepared.config), "--against-kafka")
    copy.file_of(LOSSY).unlink()
    harmed = verified(copy.job, "--against-kafka")

    assert (ended.status, ended.document["problems"]) == (3, [])
    assert ended.document["unanswered"] == {f"{ORDERS}-0": "no leader", f"{ORDERS}-1": "no leader"}
    assert ended.document["compared"]["sample_count"] == 2
    assert f"not compared, run again later: {ORDERS}-0 (no leader)" in told.errors
    assert (harmed.status, kinds(harmed)) == (4, ["file-missing"])


def test_samples_of_large_records_are_cut_short(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, noise = new_topic(), random.Random(1)
    large = [replace(each, value=noise.randbytes(4000)) for each in messages(200)]
    produce(kafka, topic, large, {"batch.num.messages": 5})
    job = new_job(topic, fetch={"max_bytes": 65536})
    job.run()
    monkeypatch.setattr("loader.operations.proof.kafka_samples.SAMPLE_BYTES", 1)  # what one fetch brings

    report = verified(job, "--against-kafka").document

    assert report["problems"] == []
    assert 0 < report["compared"]["row_count"] <= 20 * report["compared"]["sample_count"]
    assert report["compared"]["gone_count"] == 0


def test_samples_of_a_large_partition_are_small_chosen_by_chance_and_hold_the_newest_offsets(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(5000))
    job = new_job(topic)
    job.run()
    reports = [
        verify(process.read_job(job.config), random.Random(seed), deep=False, against_kafka=True)
        for seed in range(2)
    ]

    assert [report.exit_status for report in reports] == [0, 0]
    assert [(each.compared.sample_count, each.compared.row_count) for each in reports if each.compared] == [
        (3, 300),
        (3, 300),
    ]
    (path,) = [path for path in job.folder.paths() if path.endswith(".parquet") and "hour=11" in path]
    assert isinstance(job.folder, LocalFolder)
    file = job.folder.path / path
    copy = copy_of(job, job.folder.path.with_name("newest"))
    rewrite(copy.root / path, lambda rows: rows[-1].update(value=b"other"), same_size=False)
    of_file(copy, copy.root / path, size_bytes=(copy.root / path).stat().st_size)
    assert kinds(verified(copy.job, "--against-kafka")) == ["payload"]
    assert file.exists()


def test_a_destination_in_hdfs_is_proven_and_its_harm_found(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, new_folder: NewFolderFunction
) -> None:
    topic = new_topic(partitions=2)
    job = new_job(topic, folder=new_folder("hdfs"))
    for first in (0, 10):
        produce(kafka, topic, messages(10, first=first) + messages(5, first=first, partition=1))
        job.run()

    proven = verified(job, "--deep", "--against-kafka").document

    assert (proven["exit_status"], proven["problems"], proven["notes"]) == (0, [], [])
    assert (proven["commit_count"], proven["row_count"], proven["compared"]["row_count"]) == (2, 30, 30)
    assert isinstance(job.folder, HdfsFolder)
    path = next(path for path in job.folder.paths() if path.startswith(topic))
    storage = process.read_job(job.config).storage
    storage.move(path, f"{path}.hidden")
    assert_found(
        verified(job),
        [
            ("file-missing", path, "is missing, with"),
            ("stray-file", f"{path}.hidden", f"a copy of {path}"),
        ],
    )
