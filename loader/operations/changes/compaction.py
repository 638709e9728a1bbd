"""Small files of closed hours, merged into files of the target size: the same rows, in one commit.

    plan -> stage -> merge -> check -> commit -> publish -> sweep

Beside a run nothing is lost: whoever commits second does so behind the other. Only what takes away the same
files cannot go together with this.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from loader.commits.log import CommitLog
from loader.commits.publish import is_published
from loader.commits.record import Commit
from loader.commits.runs import RunTicket, write_ticket
from loader.commits.sweep import sweep
from loader.errors import (
    RECORD_LOSS,
    CommitSuperseded,
    ConfigError,
    LedgerDamaged,
    PathNotFound,
    UnreadableFile,
)
from loader.formats.metadata import is_typed
from loader.operations.changes.merging import Merged, Merger
from loader.operations.committing import (
    commit_after,
    commit_on_newest,
    drop_staged_after,
    publish_commit,
    recover,
)
from loader.operations.decisions import Committed, Published, Swept
from loader.operations.job import Job
from loader.operations.listening import Listener, Step
from loader.operations.plan import read_ledger
from loader.operations.proof.findings import RESTORE
from loader.planning.compaction import Piece, Shelf, groups_of, is_closed, is_small
from loader.tables.opening import opened
from loader.tables.snapshot import live_files
from loader.values import Advance, DataFile


@dataclass(frozen=True, slots=True)
class MergedFolder:
    """What is merged in one folder.

    file_count      of the files that go
    new_file_count  of those that take their place
    new_size_bytes  None where it is not known yet
    """

    topic: str
    folder: str
    file_count: int
    row_count: int
    size_bytes: int
    new_file_count: int
    new_size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class CompactionPlan:
    """Which files would be merged.

    newest   the commit that it is planned on
    pieces   each in a group with others
    folders  by name; how many files they become is estimated
    """

    newest: Commit
    pieces: tuple[Piece, ...]
    folders: tuple[MergedFolder, ...]

    @property
    def row_count(self) -> int:
        """Of all files that go."""
        return sum(each.row_count for each in self.folders)

    @property
    def file_count(self) -> int:
        """Of all files that go."""
        return sum(each.file_count for each in self.folders)


@dataclass(frozen=True, slots=True)
class CompactionReport:
    """What a compaction did."""

    commit: Commit
    folders: tuple[MergedFolder, ...]


def plan_compaction(
    job: Job, topic: str | None, now_ms: int, *, is_dry: bool = False
) -> CompactionPlan | None:
    """Look for files to merge, of one topic or of all. Reads the whole ledger, and asks no broker.

    is_dry  whether nothing may be written. Else a commit that is not published yet is published first: so
            a compaction that was killed is finished by the next. Files of such a commit are left alone

    None before the first commit. Raises ConfigError for a topic that the job has not loaded, LedgerDamaged
    for a file that is gone or broken, and what the storage raises.
    """
    while True:
        newest = read_ledger(job)
        if newest is None:
            return None
        if topic is not None and topic not in newest.position.topics:
            raise ConfigError([f"topic {topic}: job {job.name} has not loaded it"])
        if not is_dry:
            recover(job, newest)
        try:
            return _plan(job, newest, topic, now_ms)
        except LedgerDamaged:
            if not _has_grown(job, newest):
                raise  # else another commit may have taken the file away


def _plan(job: Job, newest: Commit, topic: str | None, now_ms: int) -> CompactionPlan:
    target_bytes = job.config.write.target_file_bytes
    added_at_ms: dict[str, int] = {}
    waiting = set() if is_published(job.storage, job.name, newest) else {each.path for each in newest.files}
    pieces = [
        Piece(_shelf_of(job, newest, file), file)
        for file in live_files(_noted(job, newest.version, added_at_ms))
        if topic in (None, file.ranges[0].topic)
        if is_small(file, target_bytes) and file.path not in waiting
        if is_closed(_folder_of(file), added_at_ms[file.path], now_ms)
    ]
    groups = groups_of(pieces, target_bytes, None)
    return CompactionPlan(
        newest, tuple(piece for group in groups for piece in group), tuple(_planned_folders(groups))
    )


def compact(
    job: Job,
    plan: CompactionPlan,
    ticket: RunTicket,
    threads: int,
    now_ms: Callable[[], int],
    is_dead: Callable[[RunTicket], bool],
    listener: Listener,
) -> CompactionReport:
    """Merge what was planned, and commit it.

    threads  how many files are written at a time; each takes some 200 MiB at the defaults

    Raises CommitSuperseded where others took some of the files away since, LedgerDamaged for a file that is
    gone or broken, and what the storage raises; nothing is committed then, unless the error says so.
    """
    listener.step(Step.STAGE)
    try:
        write_ticket(job.storage, job.name, ticket)
        listener.step(Step.LOAD)
        merger = Merger(
            job, ticket.run_id, plan.newest.columns, threads, lambda group: listener.advanced(_advance(group))
        )
        try:
            merged = merger.merge(plan.pieces)
        except LedgerDamaged:
            if _has_grown(job, plan.newest):
                _require_live(job, read_ledger(job) or plan.newest, plan.pieces, ticket)
            raise
        listener.step(Step.CHECK)
    except BaseException as error:
        # Failed or interrupted before the commit: nobody else knows these files.
        drop_staged_after(error, job, ticket.run_id)
        raise
    listener.step(Step.COMMIT)
    commit = commit_on_newest(job, ticket, plan.newest, _maker(job, plan, merged, ticket, now_ms))
    listener.decided(Committed(commit))
    listener.step(Step.PUBLISH)
    publish_commit(job, commit)
    listener.decided(Published(commit))
    listener.step(Step.SWEEP)
    swept = sweep(job.storage, job.name, commit.version, now_ms(), is_dead)
    if swept:
        listener.decided(Swept(swept))
    return CompactionReport(commit, tuple(_merged_folders(merged)))


def _has_grown(job: Job, newest: Commit) -> bool:
    """Whether others have committed since."""
    return CommitLog(job.storage, job.name).numbers()[-1:] > [newest.version]


def _require_live(job: Job, newest: Commit, pieces: Sequence[Piece], ticket: RunTicket) -> None:
    """Raise CommitSuperseded where others have taken some of the files away."""
    live = {file.path for file in live_files(_noted(job, newest.version, {}))}
    if not live.issuperset(piece.file.path for piece in pieces):
        raise CommitSuperseded(newest.version, ticket.run_id, newest.run_id)


def _noted(job: Job, last: int, added_at_ms: dict[str, int]) -> Iterator[Commit]:
    """The commits up to one, noting when each file was added."""
    log = CommitLog(job.storage, job.name)
    for version in log.versions():
        if version > last:
            return
        commit = log.read(version)
        added_at_ms |= dict.fromkeys((file.path for file in commit.files), commit.committed_at_ms)
        yield commit


def _shelf_of(job: Job, newest: Commit, file: DataFile) -> Shelf:
    topic = file.ranges[0].topic
    # Where a topic has no table, no file of it has columns.
    has_columns = not file.is_quarantine and topic in newest.columns and _has_columns(job, file)
    return Shelf(topic, _folder_of(file), file.is_replay, has_columns)


def _has_columns(job: Job, file: DataFile) -> bool:
    """Asked of the file: a topic that got a format has older files without."""
    try:
        with opened(job.storage, file.path) as parquet:
            return is_typed(parquet.schema_arrow)
    except (PathNotFound, UnreadableFile) as error:
        raise LedgerDamaged(
            f"a file that the ledger names cannot be merged with others: {error} Nothing was changed.",
            [RESTORE, RECORD_LOSS],
        ) from error


def _folder_of(file: DataFile) -> str:
    return file.path.rpartition("/")[0]


def _advance(group: Sequence[Piece]) -> Advance:
    """What is done of the plan: what was merged before is read once more, and counts no more."""
    files = [piece.file for piece in group if not piece.is_staged]
    row_count = sum(file.row_count for file in files)
    return Advance(row_count, row_count, sum(file.size_bytes for file in files), len(files))


def _planned_folders(groups: Sequence[Sequence[Piece]]) -> Iterator[MergedFolder]:
    by_folder: defaultdict[tuple[str, str], list[Sequence[Piece]]] = defaultdict(list)
    for group in groups:
        by_folder[group[0].shelf.topic, group[0].shelf.folder].append(group)
    for (topic, folder), in_folder in sorted(by_folder.items()):
        yield _folder(topic, folder, [piece.file for group in in_folder for piece in group], len(in_folder))


def _merged_folders(merged: Merged) -> Iterator[MergedFolder]:
    new = _by_folder(merged.files)
    for (topic, folder), files in sorted(_by_folder(merged.removed).items()):
        made = new[topic, folder]
        yield _folder(topic, folder, files, len(made), sum(file.size_bytes for file in made))


def _by_folder(files: Sequence[DataFile]) -> Mapping[tuple[str, str], Sequence[DataFile]]:
    found: defaultdict[tuple[str, str], list[DataFile]] = defaultdict(list)
    for file in files:
        found[file.ranges[0].topic, _folder_of(file)].append(file)
    return found


def _folder(
    topic: str, folder: str, old: Sequence[DataFile], new_count: int, new_bytes: int | None = None
) -> MergedFolder:
    return MergedFolder(
        topic,
        folder,
        len(old),
        sum(file.row_count for file in old),
        sum(file.size_bytes for file in old),
        new_count,
        new_bytes,
    )


def _maker(
    job: Job, plan: CompactionPlan, merged: Merged, ticket: RunTicket, now_ms: Callable[[], int]
) -> Callable[[Commit | None], Commit]:
    """How the commit is made behind those of others that left its files where they were."""

    def make(newest: Commit | None) -> Commit:
        base = newest or plan.newest
        if base.version != plan.newest.version:
            _require_live(job, base, plan.pieces, ticket)
        return replace(
            commit_after(base, ticket, "compact", now_ms()),
            files=merged.files,
            removed_files=tuple(file.path for file in merged.removed),
        )

    return make
