"""From committed to visible: each staged file is renamed to its place.

Done after the commit, and again by the next run if this one dies here. It can be repeated, and two
runs can do it at once: a file that is at its place with its size is done, whoever moved it.
"""

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


def publish(storage: Storage, job: str, commit: Commit) -> None:
    """Move every file of `commit` to its place, then remove the run's folder.

    Raises StorageUnavailable when the file system gives up: the commit stands, the next run goes on.
    """
    folder = layout.run_folder(job, commit.run_id)
    for file in commit.files:
        _publish_file(storage, folder, file)
    CommitLog(storage, job).mark_published(commit.version)
    storage.delete(folder)


def is_published(storage: Storage, job: str, commit: Commit) -> bool:
    """Whether nothing is left to do: the run's folder is the last thing that `publish` removes."""
    try:
        storage.status(layout.run_folder(job, commit.run_id))
    except PathNotFound:
        return True
    return False


def _publish_file(storage: Storage, folder: str, file: DataFile) -> None:
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
