"""What is left of a job whose ledger cannot be trusted: commits, identity, files. Reads, and writes nothing.

A file is committed when a commit lists it, also a damaged one of which so much can still be read, or when it
is published: only files of commits ever are. Of a run with such a file staged ones count as well.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from loader.commits.evidence import Evidence, FoundShare, by_partition
from loader.commits.identity import JobIdentity, read_identity
from loader.commits.log import CommitLog
from loader.commits.markers import read_marker
from loader.commits.record import Commit
from loader.errors import REPAIR, LedgerDamaged, PathNotFound, UnreadableFile
from loader.operations.job import Job
from loader.operations.plan import read_ledger
from loader.operations.repairs.parquet_sizes import published_sizes, staged_sizes
from loader.operations.repairs.row_counts import count_rows
from loader.tables.footers import Footer, read_footer
from loader.values import DataFile, LoadedRange, OffsetRange, RangeCounts, layout

STAGED_NAME = re.compile(rb'"staged_name":"([^"]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found.

    identity    None where job.json is missing or damaged
    numbers     of all commits there are, good or not
    damaged     by number, what is wrong with a commit
    problem     what makes a run stop at this ledger, None where nothing does
    evidence    of what was loaded
    staged      files of committed runs that are not published yet: where each lies, by its path
    taken_away  published files that good commits took away: whoever did so was killed before they were gone
    row_counts  of each doubtful range, how many rows and quarantined records of it the files hold
    owners      job id and cluster id, as commits and files give them
    notes       files that are not of this job, or not readable
    """

    identity: JobIdentity | None
    numbers: tuple[int, ...]
    damaged: Mapping[int, str]
    problem: LedgerDamaged | None
    evidence: Evidence
    staged: Mapping[str, str]
    taken_away: tuple[str, ...]
    row_counts: Mapping[OffsetRange, RangeCounts]
    owners: frozenset[tuple[str, str]]
    notes: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether there is nothing to repair."""
        return self.problem is None and not (
            self.damaged or self.evidence.shares or self.evidence.missing_files
        )


def survey(job: Job) -> Survey:
    """Read the commits that can be read, and the footers of the files that none of them lists.

    Raises what the storage raises, and LedgerDamaged where what is found contradicts itself.
    """
    log = CommitLog(job.storage, job.name)
    numbers = log.numbers()
    commits, damaged = _read_commits(log, numbers)
    published = published_sizes(job)
    staged: dict[str, str] = {}
    missing = tuple(_missing_files(job, commits, published, staged))
    listed = {file.path for commit in commits for file in commit.files}
    unlisted = {path: published[path] for path in published.keys() - listed}
    footers, notes = _without_copies(*_read_footers(job, unlisted), listed | published.keys())
    waiting, _ = _read_footers(job, staged_sizes(job, {commit.run_id for commit in commits}))
    # A kill in the middle of a move can leave a file both its names.
    waiting = [footer for footer in waiting if footer.named_path not in published]
    named = _named_in(job, damaged)
    shares = _shares(commits, footers, waiting, named, staged)
    problem = _problem(job, commits)
    carried = _carried(job, commits, published) if damaged or problem is not None else ()
    evidence = Evidence(tuple(commits), tuple(shares), missing, tuple(carried))
    return Survey(
        identity=_identity(job),
        numbers=tuple(numbers),
        damaged=damaged,
        problem=problem,
        evidence=evidence,
        staged=staged,
        taken_away=tuple(path for commit in commits for path in commit.removed_files if path in published),
        row_counts=count_rows(job, evidence, staged),
        owners=frozenset(
            [(commit.job_id, commit.cluster_id) for commit in commits]
            + [(footer.job_id, footer.cluster_id) for footer in footers]
        ),
        notes=tuple(notes),
    )


def _read_commits(log: CommitLog, numbers: Iterable[int]) -> tuple[list[Commit], dict[int, str]]:
    commits: list[Commit] = []
    damaged: dict[int, str] = {}
    for number in numbers:
        try:
            commit = log.read(number)
        except LedgerDamaged as error:
            _refuse_unrepairable(error)
            damaged[number] = error.args[0]
            continue
        if commit.operation == "repair":  # it holds all that was before it
            commits, damaged = [], {}
        commits.append(commit)
    return commits, damaged


def _identity(job: Job) -> JobIdentity | None:
    try:
        return read_identity(job.storage, job.name)
    except LedgerDamaged as error:
        _refuse_unrepairable(error)
        return None


def _refuse_unrepairable(error: LedgerDamaged) -> None:
    """Raise the error again where a repair is none of its choices: nothing is damaged, but it is not ours."""
    if REPAIR not in error.choices:
        raise error


def _problem(job: Job, commits: Iterable[Commit]) -> LedgerDamaged | None:
    try:
        read_ledger(job)
    except LedgerDamaged as error:
        return error
    first = read_marker(job.storage, layout.first_folder(job.name))
    if any(commit.version == first and commit.operation != "repair" for commit in commits):
        return LedgerDamaged(
            f"the ledger begins anew with commit {first}, which is of a run and does not hold what was before"
            " it: that run was faster than a repair."
        )
    return None


def _missing_files(
    job: Job, commits: Sequence[Commit], published: Mapping[str, int], staged: dict[str, str]
) -> Iterator[DataFile]:
    """Listed files that are not there with their size; what only waits to be published goes to `staged`."""
    removed = {path for commit in commits for path in commit.removed_files}
    for commit in commits:
        for file in commit.files:
            if file.path in removed or published.get(file.path) == file.size_bytes:
                continue
            waiting = f"{layout.run_folder(job.name, commit.run_id)}/{file.staged_name}"
            if file.path not in published and _size(job, waiting) == file.size_bytes:
                staged[file.path] = waiting
            else:
                yield file


def _size(job: Job, path: str) -> int | None:
    try:
        return job.storage.status(path).size_bytes
    except PathNotFound:
        return None


def _read_footers(job: Job, sizes: Mapping[str, int]) -> tuple[list[Footer], list[str]]:
    """The footers of this job's files; and which files are none, for a person to know."""
    footers, notes = [], []
    for path, size_bytes in sorted(sizes.items()):
        try:
            footer = read_footer(job.storage, path, size_bytes)
        except PathNotFound:
            continue  # gone since it was listed: a run is at work, or a person
        except UnreadableFile as error:
            notes.append(f"not taken, cannot be read: {error}")
            continue
        if footer is None:
            notes.append(f"not taken, another program wrote it: {path}")
        elif footer.job != job.name:
            notes.append(f"not taken, of job {footer.job}: {path}")
        else:
            footers.append(footer)
    return footers, notes


def _carried(job: Job, commits: Iterable[Commit], published: Mapping[str, int]) -> Iterator[LoadedRange]:
    """Of which loads the good commits hold rows that were in files of others: those may be lost."""
    written = {
        file.path: published[file.path]
        for commit in commits
        if commit.removed_files
        for file in commit.files
        if file.path in published
    }
    for footer in _read_footers(job, written)[0]:
        yield from footer.carried


def _without_copies(
    footers: Iterable[Footer], notes: Iterable[str], known_paths: Set[str]
) -> tuple[list[Footer], list[str]]:
    """Leave out files that say they belong where another is, or is known to have been."""
    kept, told, named = [], list(notes), set[str]()
    for footer in footers:
        is_known = footer.named_path in known_paths or footer.named_path in named
        named.add(footer.named_path)
        if footer.named_path != footer.file.path and is_known:
            told.append(f"not taken, moved or copied from {footer.named_path}: {footer.file.path}")
        else:
            kept.append(footer)
    return kept, told


def _named_in(job: Job, damaged: Iterable[int]) -> set[str]:
    """Staged names that can still be read in damaged commits."""
    documents = (job.storage.read(layout.commit_path(job.name, number)) for number in damaged)
    return {found.decode("utf-8", "replace") for each in documents for found in STAGED_NAME.findall(each)}


def _shares(
    commits: Sequence[Commit],
    published: Sequence[Footer],
    waiting: Sequence[Footer],
    named: Set[str],
    staged: dict[str, str],
) -> list[FoundShare]:
    """What the files of committed runs hold together.

    An attempt of which a file is known to be committed was accepted. Of the others of its run, one that has
    all its files stands for ranges that nothing else tells of: it may have been accepted, and its rows are
    right.
    """
    proven = [*published, *(footer for footer in waiting if footer.file.staged_name in named)]
    accepted = {(footer.run_id, footer.attempt) for footer in proven}
    runs = {footer.run_id for footer in proven}
    by_attempt: defaultdict[tuple[str, str], list[Footer]] = defaultdict(list)
    for footer in (*published, *waiting):
        if footer.run_id in runs:
            by_attempt[footer.run_id, footer.attempt].append(footer)
    shares: list[FoundShare] = []
    claimed = by_partition(loaded.range for commit in commits for loaded in commit.ranges)
    for key, footers in sorted(by_attempt.items(), key=lambda each: (each[0] not in accepted, each[0])):
        share = _share(footers)
        ranges = share.claimed
        if key not in accepted and (
            not share.is_whole
            or any(each.overlaps(other) for each in ranges for other in claimed.get(each.topic_partition, ()))
        ):
            continue
        staged.update({each.named_path: each.file.path for each in footers if _is_staged(each)})
        for each in ranges:
            claimed.setdefault(each.topic_partition, []).append(each)
        shares.append(share)
    return shares


def _share(footers: Sequence[Footer]) -> FoundShare:
    told = next((footer.share for footer in footers if footer.share is not None), None)
    return FoundShare(
        run_id=footers[0].run_id,
        attempt=footers[0].attempt,
        topic=footers[0].topic,
        topic_id=footers[0].topic_id,
        ranges=told.ranges if told else (),
        file_count=told.file_count if told else 0,
        files=tuple(
            replace(each.file, path=each.named_path) if _is_staged(each) else each.file for each in footers
        ),
        carried=tuple({each.range: each for footer in footers for each in footer.carried}.values()),
        columns=next((footer.columns for footer in footers if footer.columns is not None), None),
    )


def _is_staged(footer: Footer) -> bool:
    return footer.file.path.startswith(f"{layout.LOADER_FOLDER}/")
