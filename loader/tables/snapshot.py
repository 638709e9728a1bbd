"""What a job holds as of one commit: which files there are, and where each lies.

Whoever reads data goes by a snapshot: a folder may hold files of another program, and for a moment both those
that a commit adds and those that it takes away.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from loader.commits.log import CommitLog
from loader.commits.publish import is_published
from loader.commits.record import Commit
from loader.errors import PathNotFound
from loader.storage.protocol import Storage
from loader.values import DataFile, layout


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files that all commits together added, and none took away.

    newest    the commit that the snapshot is of
    files     rows, quarantined records and replayed rows, oldest first
    added_by  by path, the version of the commit that added the file
    staged    by path, where files lie that are committed and not published yet
    """

    newest: Commit
    files: tuple[DataFile, ...]
    added_by: Mapping[str, int] = field(default_factory=dict)
    staged: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """Of the newest commit."""
        return self.newest.version

    @property
    def topics(self) -> tuple[str, ...]:
        """Every topic that the job has met, sorted; some may have no file yet."""
        return tuple(sorted(self.newest.position.topics))

    def rows_of(self, topic: str) -> tuple[DataFile, ...]:
        """The files with rows of a topic, replayed ones among them."""
        return tuple(file for file in self._of(topic) if not file.is_quarantine)

    def quarantine_of(self, topic: str) -> tuple[DataFile, ...]:
        """The files with records of a topic that could not be decoded; replayed ones are still there."""
        return tuple(file for file in self._of(topic) if file.is_quarantine)

    def location_of(self, file: DataFile) -> str:
        """Where a file lies, relative to the destination."""
        return self.staged.get(file.path, file.path)

    def _of(self, topic: str) -> Iterable[DataFile]:
        return (file for file in self.files if file.ranges[0].topic == topic)


def read_snapshot(storage: Storage, job: str) -> Snapshot | None:
    """What the job holds as of its newest commit; None before the first. Reads the ledger from its beginning.

    Raises what the storage raises, and LedgerDamaged.
    """
    log = CommitLog(storage, job)
    newest: Commit | None = None
    files: dict[str, DataFile] = {}
    added_by: dict[str, int] = {}
    for version in log.versions():
        newest = log.read(version)
        _apply(newest, files, added_by)
    if newest is None:
        return None
    return Snapshot(newest, tuple(files.values()), added_by, _staged(storage, job, newest))


def live_files(commits: Iterable[Commit]) -> list[DataFile]:
    """The files that commits added and none took away, oldest first."""
    files: dict[str, DataFile] = {}
    for commit in commits:
        _apply(commit, files, {})
    return list(files.values())


def _apply(commit: Commit, files: dict[str, DataFile], added_by: dict[str, int]) -> None:
    if commit.operation == "repair":  # it lists all that was there
        files.clear()
        added_by.clear()
    files |= {file.path: file for file in commit.files}
    added_by |= {file.path: commit.version for file in commit.files}
    for path in commit.removed_files:
        files.pop(path, None)
        added_by.pop(path, None)


def _staged(storage: Storage, job: str, newest: Commit) -> dict[str, str]:
    """The files of the newest commit that wait to be published: only its own can."""
    if is_published(storage, job, newest):
        return {}
    folder = layout.run_folder(job, newest.run_id)
    try:
        waiting = {*storage.names(folder)}
    except PathNotFound:  # published since
        return {}
    return {file.path: f"{folder}/{file.staged_name}" for file in newest.files if file.staged_name in waiting}
