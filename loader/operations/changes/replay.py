"""Quarantined records decoded again, by what the job file says today: the good ones are rows, in one commit.

Nothing is taken out of the quarantine: a record counts as replayed once a row with its offset is committed.
So a replay that dies leaves everything as it was, and none can be done twice.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from loader.commits.identity import read_identity
from loader.commits.log import CommitLog
from loader.commits.publish import require_staged
from loader.commits.record import Commit
from loader.commits.runs import RunTicket, write_ticket
from loader.commits.sweep import sweep
from loader.errors import (
    ConfigError,
    LedgerDamaged,
    LoaderError,
    StorageFull,
    StorageUnavailable,
    gravest_exit_status,
)
from loader.formats.protocol import SchemaSource
from loader.formats.quarantine import QUARANTINE_SCHEMA, first_bad_records
from loader.formats.record_formatter import RecordFormatter
from loader.formats.topic_format import TopicFormat
from loader.operations.committing import (
    append_commit,
    commit_after,
    drop_staged,
    drop_staged_after,
    publish_commit,
    recover,
)
from loader.operations.job import Job
from loader.operations.plan import read_ledger
from loader.operations.row_formats import RowFormats, row_formats
from loader.records.schema import RAW_SCHEMA
from loader.registry.source import schema_source
from loader.sink.topic_sink import TopicSink, close_together
from loader.tables.merged_rows import merged_rows
from loader.tables.opening import opened
from loader.tables.quarantine import Replayed, replayed_offsets
from loader.tables.snapshot import live_files
from loader.values import BadRecord, DataFile, OffsetRange, layout
from loader.values.bad_records import MOST_TOLD
from loader.values.files import REPLAY_PREFIX


@dataclass(slots=True)
class ReplayedTopic:
    """What a replay made of one topic's records.

    recovered_count  are rows now
    still_bad        how many are still bad, and the first of them
    """

    recovered_count: int = 0
    still_bad_count: int = 0
    still_bad: list[BadRecord] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay did.

    commit    None where no record could be recovered
    topics    that had records waiting
    failures  by topic, why nothing of it was committed
    """

    run_id: str
    commit: Commit | None
    topics: Mapping[str, ReplayedTopic]
    failures: Mapping[str, tuple[Exception, ...]]

    @property
    def exit_status(self) -> int:
        """0, or the gravest of what topics failed with."""
        return gravest_exit_status(
            (error for errors in self.failures.values() for error in errors), some_unanswered=False
        )


def replay(
    job: Job,
    topics: Sequence[str],
    new_ticket: Callable[[int], RunTicket],
    now_ms: Callable[[], int],
    is_dead: Callable[[RunTicket], bool],
) -> ReplayReport:
    """Decode the waiting records of some topics again, and commit those that are good.

    topics  by default all that the job file names

    new_ticket, now_ms, is_dead  as `operations.load.load` takes them

    Raises what stops the whole replay; nothing is committed then, unless the error says so.
    """
    newest = read_ledger(job)
    recover(job, newest)
    ticket = new_ticket(newest.version if newest else 0)
    if newest is None:
        return ReplayReport(ticket.run_id, None, {}, {})
    log = CommitLog(job.storage, job.name)
    # Not what others commit meanwhile: with that, this one could not be the next.
    files = live_files(log.read(version) for version in log.versions() if version <= newest.version)
    quarantined = [file for file in files if file.is_quarantine and _is_asked(job, file, topics)]
    names = {file.ranges[0].topic for file in quarantined}
    formats = row_formats(job, names, newest.columns, ticket.started_at_ms)
    failures = {topic: errors for topic, errors in formats.failures.items() if topic in names}
    for topic in names:
        if job.config.topic_config(topic) is None:
            failures[topic] = (
                ConfigError([f"{topic}: no entry of [[topics]] says what its rows are to be"]),
            )
    try:
        identity = read_identity(job.storage, job.name)
        if identity is None:
            raise LedgerDamaged(f"job {job.name} has commits, but no identity document", [])
        write_ticket(job.storage, job.name, ticket)
        replayed = replayed_offsets(files, lambda file: opened(job.storage, file.path))
        done: dict[str, ReplayedTopic] = {}
        written: list[DataFile] = []
        with closing(schema_source(job.registry)) as schemas:
            for topic in sorted(names - failures.keys()):
                of_topic = [file for file in quarantined if file.ranges[0].topic == topic]
                topic_format = formats.formats.get(topic, TopicFormat())
                try:
                    work = _Topic(job, newest, ticket, topic, topic_format, schemas)
                    written += work.replay(of_topic, replayed)
                    done[topic] = work.done
                except (StorageUnavailable, StorageFull):
                    raise  # the other topics would fail by it too
                except LoaderError as error:
                    failures[topic] = (error,)
        commit = _commit(newest, ticket, formats, written, now_ms()) if written else None
        if commit is not None:
            require_staged(job.storage, job.name, commit)
    except BaseException as error:
        # Failed or interrupted before the commit: nobody else knows these files.
        drop_staged_after(error, job, ticket.run_id)
        raise
    if commit is None:
        drop_staged(job, ticket.run_id)
    else:
        append_commit(job, commit)
        publish_commit(job, commit)
    sweep(job.storage, job.name, commit.version if commit else newest.version, now_ms(), is_dead)
    return ReplayReport(ticket.run_id, commit, done, failures)


def _is_asked(job: Job, file: DataFile, topics: Sequence[str]) -> bool:
    topic = file.ranges[0].topic
    # Without an entry, nothing says what the rows of a topic are to be.
    return topic in topics or (not topics and job.config.topic_config(topic) is not None)


class _Topic:
    """The replay of one topic."""

    def __init__(
        self,
        job: Job,
        newest: Commit,
        ticket: RunTicket,
        topic: str,
        topic_format: TopicFormat,
        schemas: SchemaSource,
    ) -> None:
        self.done = ReplayedTopic()
        self._job = job
        self._topic = topic
        self._formatter = RecordFormatter(topic, topic_format, schemas, ticket.run_id)
        self._sink = TopicSink(
            job.storage,
            layout.run_folder(job.name, ticket.run_id),
            topic,
            self._formatter.schema,
            job.config.write,
            f"{REPLAY_PREFIX}{secrets.token_hex(6)}-0",
            {
                "loader.job": job.name,
                "loader.job_id": newest.job_id,
                "loader.cluster_id": newest.cluster_id,
                "loader.run_id": ticket.run_id,
                "loader.topic": topic,
                "loader.topic_id": newest.position.topics[topic].topic_id,
            },
            times=topic_format.times,
        )

    def replay(self, files: Sequence[DataFile], replayed: Replayed) -> tuple[DataFile, ...]:
        """Write what can be decoded now, ordered by partition and offset; the staged files."""
        with self._sink as sink:
            for wanted in _stretches(files):
                for group in _interleaved(files, wanted.partition):
                    self._replay_files(wanted, group, replayed)
            return close_together([sink], [])

    def _replay_files(self, wanted: OffsetRange, files: Sequence[DataFile], replayed: Replayed) -> None:
        done = replayed.get(wanted.topic_partition, np.empty(0, np.int64))

        def is_waiting(partition: int, offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
            if partition != wanted.partition:
                return np.zeros(len(offsets), np.bool_)
            return ~np.isin(offsets, done)

        paths = [file.path for file in files]
        for _, records in merged_rows(self._job.storage, paths, QUARANTINE_SCHEMA, is_waiting):
            good, bad = self._formatter.format(records.select(RAW_SCHEMA.names))
            self.done.recovered_count += good.num_rows
            self._sink.write(wanted, good)
            if bad is not None:
                self.done.still_bad_count += bad.num_rows
                self.done.still_bad += first_bad_records(bad, MOST_TOLD - len(self.done.still_bad))


def _interleaved(files: Iterable[DataFile], partition: int) -> list[list[DataFile]]:
    """The files with records of a partition, in the order of offsets; together those that share a stretch.

    A file that was written again, without what a backfill replaced, lies around the one of the backfill.
    """
    spans = [(span, file) for file in files for span in file.ranges if span.partition == partition]
    groups: list[list[DataFile]] = []
    end_offset = -1
    for span, file in sorted(spans, key=lambda each: each[0]):
        if span.start_offset >= end_offset:
            groups.append([])
        groups[-1].append(file)
        end_offset = max(end_offset, span.end_offset)
    return groups


def _stretches(files: Iterable[DataFile]) -> list[OffsetRange]:
    """By partition, from the first to the last quarantined offset."""
    found: dict[int, OffsetRange] = {}
    for span in (span for file in files for span in file.ranges):
        known = found.get(span.partition, span)
        found[span.partition] = OffsetRange(
            span.topic,
            span.partition,
            min(known.start_offset, span.start_offset),
            max(known.end_offset, span.end_offset),
        )
    return [found[partition] for partition in sorted(found)]


def _commit(
    newest: Commit, ticket: RunTicket, formats: RowFormats, files: Sequence[DataFile], now_ms: int
) -> Commit:
    return replace(
        commit_after(newest, ticket, "replay", now_ms),
        files=tuple(files),
        columns=formats.columns(newest.columns, files),
    )
