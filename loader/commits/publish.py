"""From committed to visible: each staged file is renamed to its place, and what the commit took away goes.

Done after the commit, and again by the next run if this one dies here. It can be repeated, and two
runs can do it at once: a file that is at its place with its size is done, whoever moved it.
"""

from collections.abc import Callable

from loader.commits.log import CommitLog
from loader.commits.record import Commit
from loader.errors import (
    RECORD_LOSS,
    RUN_AGAIN,
    LedgerDamaged,
    MoveOutcomeUnknown,
    PathExists,
    PathNotFound,
    StorageUnavailable,
)
from loader.storage.protocol import Storage
from loader.values import DataFile, layout

TRIES = 3


def publish(
    storage: Storage, job: str, commit: Commit, when_visible: Callable[[], object] = lambda: None
) -> None:
    """Move every file of `commit` to its place, delete those it took away, then remove the run's folder.

    In this order, so that a kill can leave rows twice in the folders for a while, but none missing.

    when_visible  what else follows from the commit; before the run's folder goes, so that after a kill the
                  next run does it

    Raises StorageUnavailable when the file system gives up: the commit stands, the next run goes on. Raises
    LedgerDamaged for a file that is gone, or is not as long as it was written: it stays where it is.
    """
    log = CommitLog(storage, job)
    folder = layout.run_folder(job, commit.run_id)
    staged_bytes = _staged_bytes(storage, folder)
    try:
        for file in commit.files:
            _refuse_changed(storage, folder, file, staged_bytes)
            publish_file(storage, folder, file)
    except LedgerDamaged:
        if max(log.numbers(), default=0) > commit.version:
            return  # who commits behind it publishes it first, and may have taken its files away since
        raise
    for path in commit.removed_files:
        storage.delete(path)
    log.mark_published(commit.version)
    when_visible()
    storage.delete(folder)


def require_staged(storage: Storage, job: str, commit: Commit) -> None:
    """Look at the files of a commit before it is made: each is staged, as long as it was written.

    Raises StorageUnavailable when a file was lost or cut since its task closed it: once committed, its rows
    would be missing for good, and until then they only need another run.
    """
    folder = layout.run_folder(job, commit.run_id)
    staged_bytes = _staged_bytes(storage, folder)
    for file in commit.files:
        found_bytes = staged_bytes.get(file.staged_name)
        if found_bytes != file.size_bytes:
            what = "is gone" if found_bytes is None else f"has {found_bytes} bytes"
            raise StorageUnavailable(
                f"{storage.url}/{folder}/{file.staged_name} {what}, though {file.size_bytes} were"
                " written. Nothing was committed. Find out what deletes or changes files there, and look at"
                " the disks; then run again."
            )


def is_published(storage: Storage, job: str, commit: Commit) -> bool:
    """Whether nothing is left to do: the run's folder is the last thing that `publish` removes."""
    try:
        storage.status(layout.run_folder(job, commit.run_id))
    except PathNotFound:
        return True
    return False


def _staged_bytes(storage: Storage, folder: str) -> dict[str, int]:
    """The sizes of the files in a run's folder by name, from one listing; empty when the folder is gone."""
    try:
        entries = storage.list(folder)
    except PathNotFound:
        return {}
    return {entry.path.rpartition("/")[2]: entry.size_bytes for entry in entries if not entry.is_folder}


def _refuse_changed(storage: Storage, folder: str, file: DataFile, staged_bytes: dict[str, int]) -> None:
    """Raise LedgerDamaged for a file that is staged with another size than was committed."""
    found_bytes = staged_bytes.get(file.staged_name, file.size_bytes)
    if found_bytes != file.size_bytes:
        raise LedgerDamaged(
            f"{storage.url}/{folder}/{file.staged_name} has {found_bytes} bytes, but {file.size_bytes} were"
            f" committed: it was cut or changed since. It was not published: {file.row_count} rows of"
            f" {', '.join(map(str, file.ranges))} are missing from the destination. Restore the file from a"
            " backup or snapshot, or record its rows as lost.",
            [RUN_AGAIN, RECORD_LOSS],
        )


def publish_file(storage: Storage, folder: str, file: DataFile) -> None:
    """Move one committed file from the folder where it is staged to its place; done before is done.

    Raises LedgerDamaged when it is in neither or not as long as it was written, StorageUnavailable when the
    file system gives up.
    """
    for last_try in (False,) * (TRIES - 1) + (True,):
        try:
            storage.move(f"{folder}/{file.staged_name}", file.path)
        except (PathNotFound, PathExists):
            break  # moved before, by us or by another run that finishes the same commit: its size decides
        except MoveOutcomeUnknown as error:
            if last_try:
                raise StorageUnavailable(
                    f"{storage.url}/{file.path}: {error} The rows are committed but not all visible yet;"
                    " the next run finishes it."
                ) from error
        else:
            return
    try:
        found_bytes = storage.status(file.path).size_bytes
    except PathNotFound as error:
        raise LedgerDamaged(
            f"{storage.url}/{file.path} is committed, but neither there nor staged as"
            f" {folder}/{file.staged_name}: it was removed. {file.row_count} rows of"
            f" {', '.join(map(str, file.ranges))} are missing from the destination. Restore the file from a"
            " backup or snapshot, or record its rows as lost.",
            [RUN_AGAIN, RECORD_LOSS],
        ) from error
    if found_bytes != file.size_bytes:
        raise LedgerDamaged(
            f"{storage.url}/{file.path} has {found_bytes} bytes, but {file.size_bytes} were committed:"
            " another program wrote there. Move that file away.",
            [RUN_AGAIN, RECORD_LOSS],
        )
