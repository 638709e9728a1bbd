"""The commits of a job: numbered from 1, without a hole, never changed, never overwritten."""

import re
from collections.abc import Sequence

from loader.commits.record import Commit, decode_commit, encode_commit
from loader.errors import (
    AccessDenied,
    CommitOutcomeUnknown,
    CommitSuperseded,
    ConfigError,
    LedgerDamaged,
    LoaderError,
    PathNotFound,
    StorageFull,
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
        draft = self._draft(commit.run_id)
        self._storage.delete(draft)
        with self._storage.create(draft) as file:
            file.write(encode_commit(commit))
        try:
            self._storage.move(draft, layout.commit_path(self._job, commit.version))
        except (AccessDenied, ConfigError, StorageFull):
            raise  # refused: nothing was moved
        except LoaderError as error:
            # No answer, or one to a request that was repeated: it may have been carried out, or may yet be.
            # "Exists" can be this very commit, and "not found" a draft that is moved already.
            self._require_mine(commit, error)
        except BaseException as error:
            # Interrupted, by Ctrl-C for example: the move may be done, so none of its files may be deleted.
            raise self._unknown(commit, f"was interrupted ({error!r})") from error

    def fence(self, run_id: str, version: int) -> bool:
        """Keep a run that has ended from ever becoming commit `version`; False when it has become it.

        Its last request may still be under way. Without its draft that request moves nothing: so the draft
        goes first, and only then is the number looked at.
        """
        self._storage.delete(self._draft(run_id))
        try:
            return self.read(version).run_id != run_id
        except PathNotFound:
            return True

    def _draft(self, run_id: str) -> str:
        return f"{layout.run_folder(self._job, run_id)}/commit.json"

    def _require_mine(self, commit: Commit, failure: LoaderError) -> None:
        """After a move that failed, only the number itself tells whose commit it is."""
        try:
            there = self.read(commit.version)
        except LoaderError as unreadable:
            what = f"got no clear answer ({failure}), and cannot be read back ({unreadable})"
            raise self._unknown(commit, what) from failure
        if there.run_id != commit.run_id:
            raise CommitSuperseded(commit.version, commit.run_id, there.run_id)

    def _unknown(self, commit: Commit, what: str) -> CommitOutcomeUnknown:
        target = layout.commit_path(self._job, commit.version)
        return CommitOutcomeUnknown(
            f"{self._storage.url}/{target}, the commit of run {commit.run_id}, {what}. It may or may not be"
            " done; all files are kept for both cases. Run again: the next run finds out."
        )

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
