"""The commits of a job: numbered from 1, without a hole, never changed, never overwritten."""

import re
from collections.abc import Sequence

from loader.commits.record import Commit, decode_commit, encode_commit
from loader.errors import (
    CommitOutcomeUnknown,
    CommitSuperseded,
    LedgerDamaged,
    LoaderError,
    MoveOutcomeUnknown,
    PathExists,
    PathNotFound,
    StorageUnavailable,
)
from loader.storage.protocol import FileStatus, Storage
from loader.values import layout

COMMIT_NAME = re.compile(r"(\d{20})\.json")


class CommitLog:
    """The ledger of one job at one destination."""

    def __init__(self, storage: Storage, job: str) -> None:
        self._storage = storage
        self._job = job

    def versions(self) -> range:
        """The numbers there are, from 1; empty before the first commit.

        Raises LedgerDamaged when one is missing, and what the storage raises when the folder cannot be
        read: that is never taken for an empty ledger.
        """
        numbers = sorted(
            int(match.group(1))
            for entry in self._entries()
            if (match := COMMIT_NAME.fullmatch(entry.path.rpartition("/")[2]))
        )
        if numbers != list(range(1, len(numbers) + 1)):
            missing = sorted(set(range(1, numbers[-1] + 1)) - set(numbers))
            raise LedgerDamaged(
                f"{self._storage.url}/{layout.commits_folder(self._job)} has no commit"
                f" {', '.join(map(str, missing[:5]))}{' …' if len(missing) > 5 else ''}, but has"
                f" {numbers[-1]}. Nothing was read or committed; published rows are untouched. Restore the"
                " missing files from a backup or snapshot of the file system."
            )
        return range(1, len(numbers) + 1)

    def newest(self) -> Commit | None:
        """The newest commit, None before the first. Raises what `versions` and `read` raise."""
        versions = self.versions()
        return self.read(versions[-1]) if versions else None

    def read(self, version: int) -> Commit:
        """One commit. Raises PathNotFound, and LedgerDamaged when it is not what was written."""
        path = layout.commit_path(self._job, version)
        commit = decode_commit(self._storage.read(path), f"{self._storage.url}/{path}")
        if commit.version != version:
            raise LedgerDamaged(
                f"{self._storage.url}/{path} holds commit {commit.version}: it was renamed. Nothing was"
                " read or committed. Give the file its name back."
            )
        return commit

    def append(self, commit: Commit) -> None:
        """Make `commit` the newest, or fail and change nothing.

        The document is written whole beside the ledger, then moved to its number by an operation that
        fails where the number is taken. Raises CommitSuperseded when another run has it, and
        CommitOutcomeUnknown when the file system will not tell.
        """
        draft = f"{layout.run_folder(self._job, commit.run_id)}/commit.json"
        target = layout.commit_path(self._job, commit.version)
        self._storage.delete(draft)
        with self._storage.create(draft) as file:
            file.write(encode_commit(commit))
        try:
            self._storage.move(draft, target)
        except PathExists:
            self._require_mine(commit)
        except (MoveOutcomeUnknown, PathNotFound, StorageUnavailable) as error:
            # The request may have been carried out, or may yet be: only the number itself can tell.
            try:
                self._require_mine(commit)
            except CommitSuperseded:
                raise
            except LoaderError as unreadable:
                raise CommitOutcomeUnknown(
                    f"commit {commit.version} of run {commit.run_id} got no answer ({error}), and"
                    f" {self._storage.url}/{target} cannot be read ({unreadable}). It may or may not be done;"
                    " all files are kept for both cases. Run again: the next run finds out."
                ) from error

    def _require_mine(self, commit: Commit) -> None:
        there = self.read(commit.version)
        if there.run_id != commit.run_id:
            raise CommitSuperseded(commit.version, commit.run_id, there.run_id)

    def _entries(self) -> Sequence[FileStatus]:
        folder = layout.commits_folder(self._job)
        try:
            return self._storage.list(folder)
        except PathNotFound:
            require_absent(self._storage, folder)
            return ()


def require_absent(storage: Storage, path: str) -> None:
    """Prove by the parents' listings that nothing is at `path`: "not found" alone can be a failed login.

    Raises LedgerDamaged when a listing shows it after all.
    """
    parent, _, _ = path.rpartition("/")
    try:
        entries = storage.list(parent)
    except PathNotFound:
        if parent:
            require_absent(storage, parent)
        return
    if any(entry.path == path for entry in entries):
        raise LedgerDamaged(
            f"{storage.url}/{path} is in the listing of its folder but cannot be opened. Nothing was read or"
            " committed. Check its permissions."
        )
