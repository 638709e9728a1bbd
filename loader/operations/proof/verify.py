"""Proof of what a job has loaded: its ledger, its files, and where asked for, Kafka itself. Reads only.

    ledger -> files of each commit -> files of no commit -> samples of Kafka

The ledger says which offsets were loaded, and what became of each. The files must hold exactly the rows that
it counts; what lies beside them must not be this job's.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from loader.commits.log import CommitLog
from loader.commits.publish import is_published
from loader.commits.record import Commit
from loader.errors import LedgerDamaged, PathNotFound, gravest_exit_status
from loader.operations.job import Job
from loader.operations.proof.file_proof import CommitProof, FileProof
from loader.operations.proof.findings import Findings, Problem
from loader.operations.proof.kafka_samples import Compared, Samples, choose_samples, compare_samples
from loader.operations.proof.ledger import Ledger, connected
from loader.operations.proof.ledger_proof import LEDGER_CHOICES, prove_ledger
from loader.operations.proof.replay_proof import prove_replays
from loader.operations.proof.strays import find_strays
from loader.values import OffsetRange, RangeCounts, TopicPartition, layout


@dataclass(frozen=True, slots=True)
class VerifiedPartition:
    """What the commits tell of one partition: all offsets of it that were loaded, and what they were."""

    range: OffsetRange
    counts: RangeCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What was looked at, and what is wrong with it.

    version     of the newest commit that can be read, 0 before the first
    row_count   by the ledger; the files hold as many where there is no problem
    is_deep     whether every page was decoded
    compared    what was compared with Kafka, None where that was not asked for
    unanswered  partitions that could not be compared this time, and why
    """

    job: str
    destination: str
    version: int
    commit_count: int
    file_count: int
    size_bytes: int
    partitions: tuple[VerifiedPartition, ...]
    is_deep: bool
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    compared: Compared | None = None
    unanswered: Mapping[TopicPartition, str] = field(default_factory=dict)

    @property
    def row_count(self) -> int:
        """Of all partitions."""
        return RangeCounts.total(each.counts for each in self.partitions).row_count

    @property
    def quarantined_count(self) -> int:
        """Of all partitions."""
        return RangeCounts.total(each.counts for each in self.partitions).quarantined_count

    @property
    def exit_status(self) -> int:
        """4 with a problem; 3 where partitions gave no answer; else 0."""
        errors = [LedgerDamaged(problem.message) for problem in self.problems]
        return gravest_exit_status(errors, some_unanswered=bool(self.unanswered))


def verify(job: Job, rng: random.Random, *, deep: bool, against_kafka: bool) -> VerifyReport:
    """Prove what the job has loaded, or say where it is wrong.

    rng            chooses what is compared with Kafka
    deep           decode every page of every file, too
    against_kafka  compare samples of rows with the brokers, too

    Raises what the storage raises, LedgerDamaged where no commit can be read, and with against_kafka what
    choose_samples raises.
    """
    findings = Findings()
    ledger = prove_ledger(job, findings)
    samples = choose_samples(job, ledger, rng, findings) if against_kafka else None
    file_count, size_bytes = _prove_files(job, ledger, samples, findings, deep=deep)
    find_strays(job, ledger, findings)
    compared = compare_samples(job, samples, findings) if samples else None
    if findings.problems:
        _forgive(_taken_since(job, ledger), findings)
    return VerifyReport(
        job=job.name,
        destination=job.storage.url,
        version=ledger.newest.version if ledger.newest else 0,
        commit_count=len(ledger.versions),
        file_count=file_count,
        size_bytes=size_bytes,
        partitions=tuple(
            VerifiedPartition(
                OffsetRange(partition.topic, partition.partition, loaded.start_offset, loaded.end_offset),
                loaded.counts,
            )
            for partition, loaded in sorted(ledger.partitions.items())
        ),
        is_deep=deep,
        problems=tuple(findings.problems),
        notes=tuple(findings.notes),
        compared=compared,
        unanswered=samples.unanswered if samples else {},
    )


def _prove_files(
    job: Job, ledger: Ledger, samples: Samples | None, findings: Findings, *, deep: bool
) -> tuple[int, int]:
    """Look at the files of every commit; how many there are, and their bytes by the ledger."""
    file_count = size_bytes = 0
    apart: list[FileProof] = []
    for commits in _together(job, ledger, findings):
        newest = commits[-1] if commits[-1].version == ledger.versions[-1] else None
        staged_folder = None if newest is None else _staged_folder(job, newest)
        staged = {} if newest is None or staged_folder is None else {newest.version: staged_folder}
        proofs = CommitProof(job.storage, commits, ledger.removed, staged, deep, findings).prove()
        file_count += len(proofs)
        size_bytes += sum(proof.file.size_bytes for proof in proofs)
        apart += [proof for proof in proofs if proof.file.is_quarantine or proof.file.is_replay]
        if newest is not None and staged_folder is not None:
            _note_unpublished(newest, proofs, staged_folder, findings)
        if samples is not None:
            for proof in proofs:
                samples.offer(proof)
    if not all(proof.is_counted for proof in apart):
        taken = _taken_since(job, ledger)
        replaced = {proof.file.ranges[0].topic for proof in apart if proof.file.path in taken}
        apart = [proof for proof in apart if proof.file.ranges[0].topic not in replaced]
    prove_replays(job.storage, apart, findings)
    return file_count, size_bytes


def _taken_since(job: Job, ledger: Ledger) -> set[str]:
    """Files that were taken away by commits made since the ledger was read."""
    log = CommitLog(job.storage, job.name)
    newest = ledger.versions[-1] if ledger.versions else 0
    later = [number for number in log.numbers() if number > newest and number not in ledger.damaged]
    return {path for number in later for path in log.read(number).removed_files}


def _forgive(taken: set[str], findings: Findings) -> None:
    """Take back what is told of files that went in good order while they were looked at."""
    gone = {problem.path for problem in findings.problems if problem.path in taken}
    if gone:
        findings.problems = [problem for problem in findings.problems if problem.path not in gone]
        findings.note(
            f"{len(gone)} of the files were taken away by a commit while they were looked at: what took their"
            " place is looked at next time"
        )


def _together(job: Job, ledger: Ledger, findings: Findings) -> Iterator[list[Commit]]:
    """The commits, those together whose files hold rows of one another."""
    log = CommitLog(job.storage, job.name)
    for versions in connected(ledger.versions, ledger.together):
        commits = []
        for version in versions:
            try:
                commits.append(log.read(version))
            except (LedgerDamaged, PathNotFound) as error:  # since it was read before
                path = layout.commit_path(job.name, version)
                findings.problem("commit", error.args[0], path, LEDGER_CHOICES)
        if commits:
            yield commits


def _note_unpublished(
    newest: Commit, proofs: Sequence[FileProof], staged_folder: str, findings: Findings
) -> None:
    added = {file.path for file in newest.files}
    own = [proof for proof in proofs if proof.file.path in added]
    waiting = sum(proof.path not in (None, proof.file.path) for proof in own)
    findings.note(
        f"commit {newest.version} is not published yet: {waiting} of its {len(own)} files wait in"
        f" {staged_folder}; the next `kafka-loader run CONFIG` makes them visible"
    )


def _staged_folder(job: Job, commit: Commit) -> str | None:
    """Where files of the newest commit may still wait; None when it is published."""
    if is_published(job.storage, job.name, commit):
        return None
    return layout.run_folder(job.name, commit.run_id)
