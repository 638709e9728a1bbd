"""A job with any history: commands in any order, killed and at once, and what must be there after each.

Kafka's records are read by another client. Which of them must be there follows from the ranges that commits
name and from the job file of that moment; whether they are, from the files.
"""

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined]

from loader.cli import process
from loader.commits.publish import is_published
from loader.config.starts import Earliest, Latest
from loader.engine.local import LocalEngine
from loader.errors import CommitSuperseded, ConfigError
from loader.operations.changes.backfill import Asked, backfill, plan_backfill
from loader.operations.changes.compaction import compact, plan_compaction
from loader.operations.changes.replay import replay
from loader.operations.listening import Listener, Step
from loader.operations.load import load
from loader.tables.snapshot import Snapshot, read_snapshot
from local_services.kafka import KafkaCluster

from . import crashes
from .conftest import NewJobFunction
from .folders import LocalFolder, commit_paths, published_paths
from .jobs import Ended, Job, kafka_loader
from .oracle import read_by_librdkafka
from .producing import HOUR_MS, T0_MS, Message, ends_of, produce, send, transactional_producer, wait_until
from .records import Record

LARGE = 5_000_000_000
"""Beyond an int: bad as long as the job file says so."""

Place = tuple[str, int, int]

STEPS = (Step.STAGE, Step.LOAD, Step.CHECK, Step.COMMIT, Step.PUBLISH, Step.SWEEP)


class AnyHistory:
    """One job of two topics, raw and typed, of two partitions at first; and the steps that were taken."""

    def __init__(
        self, kafka: KafkaCluster, new_job: NewJobFunction, raw: str, typed: str, rng: random.Random
    ) -> None:
        self.kafka, self.new_job, self.raw, self.typed, self.rng = kafka, new_job, raw, typed, rng
        self.steps: list[str] = []
        self.n_type, self.partition_by = "int", "hour"
        self.truth: dict[Place, Record] = {}
        self.unread = {raw, typed}
        self.partition_counts = {raw: 2, typed: 2}
        # Of each record that must be there, whether as a row, or in the quarantine.
        self.is_row: dict[Place, bool] = {}
        self.version = 0
        self.open: Producer | None = None
        self._idle: Producer | None = None

    def begin(self) -> None:
        """Some records of each partition, all loaded."""
        for topic in (self.raw, self.typed):
            for partition in (0, 1):
                produce(self.kafka, topic, self._messages(topic, partition, 10))
        self._took("run")
        self._job().run()
        self.check()

    def go_on(self) -> None:
        """One more step, of any kind, and a look at all that is there."""
        steps: Mapping[Callable[[], None], int] = {
            self._produce: 4,
            self._transact: 2,
            self._grow: 1,
            self._change_job: 2,
            lambda: self._command(self._any_command()): 9,
            self._kill: 3,
            self._meet: 5,
            self._lose_commits: 1,
        }
        self.rng.choices([*steps], [*steps.values()])[0]()
        self.check()

    def check(self) -> None:
        """Each record that was loaded is there once, as a row or in the quarantine, and nothing else is."""
        self._read_truth()
        self._follow_commits()
        proof = kafka_loader("verify", str(self._job().config), "--deep", "--json")
        assert proof.status == 0, proof.output
        storage = process.read_job(self._job().config).storage
        snapshot = read_snapshot(storage, "job")
        assert snapshot is not None
        rows, quarantined = self._contents(snapshot)
        waiting = quarantined.keys() - rows.keys()
        assert rows.keys() == {place for place, is_row in self.is_row.items() if is_row}
        assert waiting == {place for place, is_row in self.is_row.items() if not is_row}
        for place, found in {**quarantined, **rows}.items():
            assert found == self._wanted(place, in_quarantine=place in waiting), place
        if is_published(storage, "job", snapshot.newest):
            folder = self._job().folder
            paths = [path for path in folder.paths() if path.startswith("_quarantine/")]
            paths += published_paths(folder)
            assert sorted(paths) == sorted(file.path for file in snapshot.files)

    # What can happen

    def _produce(self) -> None:
        topic, count = self._any_topic(), self.rng.randint(1, 9)
        partition = self.rng.randrange(self.partition_counts[topic])
        self._took(f"produce {count} to {topic}-{partition}")
        produce(self.kafka, topic, self._messages(topic, partition, count))
        self.unread.add(topic)

    def _transact(self) -> None:
        """Begin a transaction in the raw topic, or end it either way."""
        self.unread.add(self.raw)
        if self.open is None:
            self._took("begin a transaction")
            self.open = self._idle or transactional_producer(self.kafka, f"id-of-{self.raw}")
            self.open.begin_transaction()
            send(self.open, self.raw, self._messages(self.raw, 0, 3))
            return
        is_kept = self.rng.random() < 0.5
        self._took("commit it" if is_kept else "abort it")
        self.open.commit_transaction(60) if is_kept else self.open.abort_transaction(60)
        self._idle, self.open = self.open, None

        def is_stable() -> bool:
            ends = ends_of(self.kafka, self.raw)
            return ends.last_stable_offset == ends.high_watermark

        wait_until(is_stable, "the markers")

    def _grow(self) -> None:
        """A topic gets one more partition."""
        topic = self._any_topic()
        partition = self.partition_counts[topic]
        self._took(f"produce 9 to the new {topic}-{partition}")
        self.partition_counts[topic] += 1
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap_servers, "log_level": 0})
        admin.create_partitions([NewPartitions(topic, partition + 1)])[topic].result(30)
        produce(self.kafka, topic, self._messages(topic, partition, 9))
        self.unread.add(topic)

    def _change_job(self) -> None:
        if self.rng.random() < 0.5:
            self.n_type = "int" if self.n_type == "long" and not self._was_long() else "long"
        else:
            self.partition_by = self.rng.choice(["hour", "day", "none"])
        self._took(f"job file: {self.n_type}, {self.partition_by}")

    def _command(self, arguments: list[str]) -> None:
        limit = self.rng.choice([None, 7, 20]) if arguments[0] == "run" else None
        self._took(" ".join(arguments) + (f", at most {limit} records" if limit else ""))
        job = self._job(limit)
        ended = self._run(job, arguments)
        assert ended.status == 0 or (ended.status == 2 and arguments[0] in ("position", "backfill")), (
            ended.errors + ended.output
        )

    def _kill(self) -> None:
        """A command that dies before one of its writes."""
        number = self.rng.randint(1, 30)
        config, topic = self._job().config, self._any_topic()
        what = self.rng.choice(["run", "backfill", "replay", "compact"])
        if what == "backfill" and not self._has_come_to(topic, 8):
            what = "run"
        self._took(f"{what}, killed before write {number}")
        match what:
            case "run":
                crashes.killed_before_write(config, number)
            case "backfill":
                crashes.backfill_killed_before_write(config, topic, number)
            case "compact":
                crashes.compaction_killed_before_write(config, number)
            case _:
                crashes.replay_killed_before_write(config, number)

    def _lose_commits(self) -> None:
        """Some commits, or all, are lost and made anew; where that is refused, they come from a backup."""
        job = self._job()
        self._run(job, ["run"])  # all is published
        self._follow_commits()
        paths = commit_paths(job.folder)
        lost = self.rng.choice([paths, paths[-1:], [self.rng.choice(paths)]])
        backup = {path: job.folder.read(path) for path in lost}
        self._took(f"run; lose {len(lost)} commits up to {lost[-1][-8:]}; repair")
        for path in lost:
            self._path(path).unlink()
        ended = kafka_loader("repair", str(job.config), "--yes", "--accept-loss")
        if ended.status != 0:
            assert ended.status == 4, ended.errors
            self._took(f"refused: {ended.errors[:1000]}")
            for path, document in backup.items():
                self._path(path).write_bytes(document)

    def _meet(self) -> None:
        """A command that comes while another is at work."""
        first, other = self.rng.choice(["run", "backfill", "replay", "compact"]), self._any_command()
        step, config = self.rng.choice(STEPS), self._job(self.rng.choice([None, 7])).config
        self._took(f"{first}, and when it comes to {step}: {' '.join(other)}")

        def meet() -> None:
            self._took("…")
            ended = self._run(self._job(), other)
            assert ended.status in (0, 2), ended.errors + ended.output

        try:
            self._interrupted(first, config, step, meet)
        except (CommitSuperseded, ConfigError) as error:
            self._took(type(error).__name__)

    def _interrupted(self, what: str, config: Any, step: Step, meet: Callable[[], None]) -> None:
        job = process.read_job(config)
        interruption = crashes.Interruption(step, meet)
        listener, how = cast(Listener, interruption), (process.now_ms, process.is_dead)
        if what == "run":
            load(job, LocalEngine(1), process.new_ticket, *how, listener)
        elif what == "replay":

            def new_ticket(version: int) -> Any:
                meet()
                return process.new_ticket(version)

            replay(job, [], new_ticket, *how)
        elif what == "backfill":
            asked = Asked(self._any_topic(), None, Earliest(), Latest())
            plan = plan_backfill(job, asked, 1)
            if plan.ranges:
                ticket = process.new_ticket(plan.newest.version)
                backfill(job, LocalEngine(1), plan, ticket, "", *how, listener)
        else:
            merging = plan_compaction(job, None, process.now_ms())
            if merging is not None and merging.pieces:
                compact(job, merging, process.new_ticket(merging.newest.version), 1, *how, listener)

    def _any_command(self) -> list[str]:
        topic = self._any_topic()
        number = str(self.rng.randrange(self.partition_counts[topic]))
        one = ["--topic", topic, *self.rng.choice([[], ["--partition", number]])]
        low, high = sorted(self.rng.sample(range(25), 2))
        return self.rng.choices(
            [
                ["run"],
                ["position", "rewind", *one, "--by", str(self.rng.randint(1, 12))],
                ["position", "set", *one, "--to", str(low)],
                ["position", "set", "--topic", topic, "--partition", number, "--to", "latest"],
                ["position", "undo", *self.rng.choice([[], ["--topic", topic]])],
                ["backfill", *one, "--from", str(low), "--until", self.rng.choice([str(high), "latest"])],
                ["quarantine", "replay"],
                ["compact"],
            ],
            [6, 3, 2, 1, 2, 4, 3, 2],
        )[0]

    def _path(self, path: str) -> Path:
        folder = self._job().folder
        assert isinstance(folder, LocalFolder)
        return folder.path / path

    def _run(self, job: Job, arguments: list[str]) -> Ended:
        words = 2 if arguments[0] in ("position", "quarantine") else 1
        options = {
            "run": ["--processes", "1"],
            "backfill": ["--processes", "1", "--yes"],
            "position": ["--yes", "--reason", "because"],
        }.get(arguments[0], [])
        command = [*arguments[:words], str(job.config), *arguments[words:], *options, "--json"]
        return kafka_loader(*command)

    # What must be there

    def _read_truth(self) -> None:
        for topic in self.unread:
            self.truth |= {record.place: record for record in read_by_librdkafka(self.kafka, topic)}
        self.unread.clear()

    def _follow_commits(self) -> None:
        for path in commit_paths(self._job().folder):
            commit = json.loads(self._job().folder.read(path))["commit"]
            if commit["version"] <= self.version or commit["operation"] == "repair":
                continue
            self.version = commit["version"]
            for each in commit["ranges"]:
                for offset in range(each["start_offset"], each["end_offset"]):
                    place = (each["topic"], each["partition"], offset)
                    if place in self.truth:
                        self.is_row[place] = self._is_good(place)
            if commit["operation"] == "replay":
                for place, is_row in self.is_row.items():
                    self.is_row[place] = is_row or self._is_good(place)

    def _is_good(self, place: Place) -> bool:
        value = self.truth[place].value or b""
        if place[0] == self.raw:
            return True
        return value.startswith(b"{") and (self.n_type == "long" or json.loads(value)["n"] != LARGE)

    def _wanted(self, place: Place, *, in_quarantine: bool) -> Any:
        value = self.truth[place].value or b""
        return value if in_quarantine or place[0] == self.raw else json.loads(value)["n"]

    def _contents(self, snapshot: Snapshot) -> tuple[dict[Place, Any], dict[Place, Any]]:
        """By place the value of each row, and of each record in the quarantine; none is there twice."""
        rows: dict[Place, Any] = {}
        quarantined: dict[Place, Any] = {}
        for file in snapshot.files:
            table = pq.read_table(pa.BufferReader(self._job().folder.read(snapshot.location_of(file))))
            for row in table.to_pylist():
                kafka = row.get("kafka") or row
                place = (kafka["topic"], kafka["partition"], kafka["offset"])
                into = quarantined if file.is_quarantine else rows
                assert place not in into, f"{place} is there twice"
                into[place] = row["n"] if "n" in row else row["value"]
        return rows, quarantined

    def _has_come_to(self, topic: str, offset: int) -> bool:
        """Whether all that a backfill asks for, in each partition that the job has met, was reached."""
        newest = json.loads(self._job().folder.read(commit_paths(self._job().folder)[-1]))["commit"]
        places = newest["position"][topic]["partitions"].values()
        return all(max(place["next_offset"], place.get("reached_offset", 0)) >= offset for place in places)

    # Words and dice

    def _took(self, step: str) -> None:
        self.steps.append(step)

    def _any_topic(self) -> str:
        return self.rng.choice([self.raw, self.typed])

    def _was_long(self) -> bool:
        return any(step.startswith("job file: long") for step in self.steps)

    def _messages(self, topic: str, partition: int, count: int) -> list[Message]:
        def value() -> bytes:
            number = self.rng.randrange(1000)
            if topic == self.raw:
                return b"%d" % number
            return self.rng.choice([b'{"n": %d}' % number] * 3 + [b'{"n": %d}' % LARGE, b"broken"])

        times = [T0_MS + self.rng.randrange(3 * HOUR_MS) for _ in range(count)]
        return [Message(value(), timestamp_ms=time, partition=partition) for time in times]

    def _job(self, limit: int | None = None) -> Job:
        value = {"format": "json", "columns": {"n": self.n_type}}
        typed = {"name": self.typed, "value": value, "max_bad_records": 1_000_000}
        limits = {} if limit is None else {"max_records": limit}
        return self.new_job(self.raw, typed, write={"partition_by": self.partition_by}, limits=limits)
