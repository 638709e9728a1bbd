"""The commits of a job: numbered without a hole, never changed, never overwritten."""

import re
from collections.abc import Sequence

from loader.commits.markers import read_marker, set_marker
from loader.commits.record import Commit, decode_commit, encode_commit
from loader.errors import (
    REPAIR,
    RUN_AGAIN,
    AccessDenied,
    CommitOutcomeUnknown,
    CommitSuperseded,
    ConfigError,
    LedgerDamaged,
    LoaderError,
    PathNotFound,
    StorageFull,
)
from loader.storage.protocol import Storage
from loader.values import layout

COMMIT_NAME = re.compile(r"(\d{20})\.json")


class CommitLog:
    """The ledger of one job at one destination."""

    def __init__(self, storage: Storage, job: str) -> None:
        self._storage = storage
        self._job = job

    def versions(self) -> range:
        """The numbers there are, from 1 or from a repair on; empty before the first commit.

        Raises LedgerDamaged when one is missing, also the newest, and what the storage raises when the folder
        cannot be read: that is never taken for an empty ledger.
        """
        first = self._first()
        newest = read_marker(self._storage, layout.newest_folder(self._job))
        numbers = self.numbers()  # after the markers: what another run commits meanwhile is not missing
        last = max(first, newest, *numbers, 0)
        first = first or 1
        missing = sorted({*range(first, last + 1)} - {*numbers})
        if missing:
            raise self._has_hole(numbers, missing, last)
        return range(first, last + 1)

    def numbers(self) -> list[int]:
        """The numbers of the commits that are there, sorted, whatever is missing between them."""
        return sorted(int(match.group(1)) for name in self._names() if (match := COMMIT_NAME.fullmatch(name)))

    def newest(self) -> Commit | None:
        """The newest commit, None before the first. Raises what `versions` and `read` raise."""
        versions = self.versions()
        if not versions:
            return None
        try:
            return self.read(versions[-1])
        except LedgerDamaged as error:
            said = f"{error.args[0]} {self._last_good(versions[:-1])}"
            raise LedgerDamaged(said, error.choices) from error

    def read(self, version: int) -> Commit:
        """One commit. Raises PathNotFound, and LedgerDamaged when it is not what was written."""
        path = layout.commit_path(self._job, version)
        commit = decode_commit(self._storage.read(path), f"{self._storage.url}/{path}")
        if commit.version != version:
            raise LedgerDamaged(
                f"{self._storage.url}/{path} holds commit {commit.version}: it was renamed. Nothing was"
                " read or committed. Give the file its name back.",
                [RUN_AGAIN, REPAIR],
            )
        return commit

    def append(self, commit: Commit) -> None:
        """Make `commit` the newest, or fail and change nothing.

        The document is written whole beside the ledger, then moved to its number by an operation that
        fails where the number is taken. Raises CommitSuperseded when another run has it or a repair began
        the ledger anew behind it, and CommitOutcomeUnknown when the file system will not tell.
        """
        first = self._first()
        if commit.version < first:
            raise CommitSuperseded(commit.version, commit.run_id, self.read(first).run_id)
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
        if version < self._first():
            return True  # whatever is there, a repair has taken all that counts of it
        try:
            return self.read(version).run_id != run_id
        except PathNotFound:
            return True

    def _first(self) -> int:
        """The number that a repair began the ledger anew with; 0 where there was none."""
        return read_marker(self._storage, layout.first_folder(self._job))

    def mark_published(self, version: int) -> None:
        """Note that commit `version` is there, so that its loss is found."""
        set_marker(self._storage, layout.newest_folder(self._job), version)

    def mark_first(self, version: int) -> None:
        """Note that a repair begins the ledger anew with `version`: what comes before it counts no more."""
        set_marker(self._storage, layout.first_folder(self._job), version)

    def _has_hole(self, numbers: Sequence[int], missing: Sequence[int], last: int) -> LedgerDamaged:
        named = ", ".join(map(str, missing[:5])) + (" …" if len(missing) > 5 else "")
        return LedgerDamaged(
            f"{self._storage.url}/{layout.commits_folder(self._job)} has no commit {named}, though"
            f" {last} was made. {self._last_good(numbers)} Nothing was read or committed; published rows are"
            " untouched. Restore the missing files from a backup or snapshot of the file system, or rebuild"
            " them.",
            [RUN_AGAIN, REPAIR],
        )

    def _last_good(self, numbers: Sequence[int]) -> str:
        for version in reversed(numbers):
            try:
                self.read(version)
            except (LedgerDamaged, PathNotFound):
                continue
            return f"The last good version is {version}."
        return "There is no good version."

    def _draft(self, run_id: str) -> str:
        return f"{layout.run_folder(self._job, run_id)}/commit.json"

    def _require_mine(self, commit: Commit, failure: LoaderError) -> None:
        """After a move that failed, only the number itself tells whose commit it is."""
        try:
            there = self.read(commit.version)
        except LoaderError as unreadable:
            what = f"got no clear answer ({failure}), and cannot be read back ({unreadable.args[0]})"
            raise self._unknown(commit, what) from failure
        if there.run_id != commit.run_id:
            raise CommitSuperseded(commit.version, commit.run_id, there.run_id)

    def _unknown(self, commit: Commit, what: str) -> CommitOutcomeUnknown:
        target = layout.commit_path(self._job, commit.version)
        return CommitOutcomeUnknown(
            f"{self._storage.url}/{target}, the commit of run {commit.run_id}, {what}. It may or may not be"
            " done; all files are kept for both cases. Run again: the next run finds out."
        )

    def _names(self) -> Sequence[str]:
        folder = layout.commits_folder(self._job)
        for last_try in (False, True):
            try:
                return self._storage.names(folder)
            except PathNotFound:
                try:
                    require_absent(self._storage, folder)
                except LedgerDamaged:
                    if last_try:
                        raise
                    continue  # another job's or run's first commit made a folder between the two looks
                return ()
        raise AssertionError("the last try returns or raises")


def require_absent(storage: Storage, path: str) -> None:
    """Prove by the parents' listings that nothing is at `path`: "not found" alone can be a failed login.

    Raises LedgerDamaged when a listing shows it after all.
    """
    parent, _, name = path.rpartition("/")
    try:
        names = storage.names(parent)
    except PathNotFound:
        if parent:
            require_absent(storage, parent)
        return
    if name in names:
        raise LedgerDamaged(
            f"{storage.url}/{path} is in the listing of its folder but cannot be opened. Nothing was read or"
            " committed. Check its permissions.",
            [RUN_AGAIN],
        )
