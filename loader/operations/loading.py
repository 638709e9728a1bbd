"""Splits loaded by an engine, judged, and made ready to commit: what a run and a backfill have in common."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from loader.commits.runs import RunTicket
from loader.engine.protocol import Engine
from loader.errors import CommitSuperseded, LedgerDamaged
from loader.operations.job import Job
from loader.operations.listening import Listener, Step
from loader.planning.coverage import check_coverage
from loader.planning.covered import cut_splits
from loader.values import DataFile, LoadedRange, Split, SplitTiming
from loader.values.column_types import StructType

if TYPE_CHECKING:
    # It takes half a second to import what replacing needs, and hardly a run replaces anything.
    from loader.operations.changes.replacing import Older


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is to be loaded, worked out before anything is read.

    job_id       of the job's identity document
    columns      of the tables of topics with typed rows, as the newest commit has them
    older        what was loaded before, where some of it is loaded again
    """

    splits: Sequence[Split]
    ticket: RunTicket
    job_id: str
    cluster_id: str
    topic_ids: Mapping[str, str]
    columns: Mapping[str, StructType]
    loss_allowed: bool = False
    older: "Older | None" = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What may be committed, and what must not.

    ranges         every planned one of every topic that did not fail, exactly once
    files          all files of these, and those with the other rows of files that go
    removed_files  paths of files whose rows are in others now
    columns        of all tables, once these files are committed
    failures       by topic, why nothing of it may be committed
    slowest        the splits that took longest
    """

    ranges: tuple[LoadedRange, ...]
    files: tuple[DataFile, ...]
    removed_files: tuple[str, ...]
    columns: Mapping[str, StructType]
    failures: Mapping[str, tuple[Exception, ...]] = field(default_factory=dict)
    slowest: tuple[SplitTiming, ...] = ()


def load_splits(job: Job, engine: Engine, work: Work, listener: Listener) -> Loaded:
    """Run every split, and let the coverage gate judge the manifests.

    The run's folder is open already. Raises CoverageGap, and what concerns all topics.
    """
    # These take half a second and more to import, and a run with nothing new needs none of them.
    from loader.operations.row_formats import row_formats
    from loader.registry.source import schema_source
    from loader.task import LoadTask

    topics = {planned.topic for split in work.splits for planned in split.ranges}
    formats = row_formats(job, topics, work.columns, work.ticket.started_at_ms)
    task = LoadTask(
        job=job.name,
        job_id=work.job_id,
        cluster_id=work.cluster_id,
        run_id=work.ticket.run_id,
        destination=job.config.job.destination,
        kafka=job.kafka,
        write=job.config.write,
        topic_ids=work.topic_ids,
        formats=formats.formats,
        schemas=schema_source(job.registry),
        loss_allowed=work.loss_allowed,
    )
    splits = formats.kept(work.splits)
    if work.older is not None:
        splits = cut_splits(splits, work.older.covered)
    listener.step(Step.LOAD)
    results = engine.run(task, splits, listener.advanced) if splits else []
    listener.step(Step.CHECK)
    accepted = check_coverage(
        splits, results, loss_allowed=work.loss_allowed, max_bad_records=formats.max_bad_records
    )
    loaded = Loaded(
        accepted.loaded,
        accepted.files,
        (),
        formats.columns(work.columns, accepted.files),
        {**accepted.failures, **formats.failures},
        accepted.slowest,
    )
    return loaded if work.older is None else _in_place_of(job, work.ticket.run_id, work.older, loaded)


def _in_place_of(job: Job, run_id: str, older: "Older", loaded: Loaded) -> Loaded:
    """The same, with what has to go for it. Raises CommitSuperseded where another run has taken that away."""
    from loader.operations.changes.replacing import replace_older, replaced_since

    try:
        replacement = replace_older(
            job, run_id, older, loaded.ranges, loaded.files, lambda: secrets.token_hex(6)
        )
    except LedgerDamaged as error:
        newest = replaced_since(job, older)
        if newest is None:
            raise
        raise CommitSuperseded(newest.version, run_id, newest.run_id) from error
    files = [file for file in loaded.files if file.ranges[0].topic not in replacement.failures]
    return replace(
        loaded,
        ranges=replacement.loaded,
        files=(*files, *replacement.files),
        removed_files=replacement.removed_files,
        failures={**loaded.failures, **replacement.failures},
    )
