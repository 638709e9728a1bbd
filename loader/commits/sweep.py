"""What dead runs left behind, and when it may go.

A run whose ticket says version N can only commit N + 1. Once another run has that number, its files can
never be published, unless it goes on behind that commit and its ticket says so. It may still be working,
until it finds out: so its folder goes when its driver is known to be dead, or after a day without a change.

A dead driver's last act may have been to commit, later than the sweeping run looked; its folder then
holds committed rows that are not published yet. So the ledger is asked again before each removal.
"""

from collections.abc import Callable, Sequence

from loader.commits.log import CommitLog
from loader.commits.runs import RunTicket, read_ticket
from loader.errors import PathNotFound
from loader.storage.protocol import FileStatus, Storage
from loader.values import layout

ABANDONED_AFTER_MS = 24 * 3600 * 1000


def sweep(
    storage: Storage, job: str, newest_version: int, now_ms: int, is_dead: Callable[[RunTicket], bool]
) -> tuple[str, ...]:
    """Remove the folders of runs that can never commit; returns their run ids.

    is_dead  True only where it is certain that the run's driver no longer exists

    The newest commit's own folder must be published and gone before this is called.
    """
    try:
        folders = storage.list(layout.runs_folder(job))
    except PathNotFound:
        return ()
    log = CommitLog(storage, job)
    swept = []
    for folder in folders:
        if not folder.is_folder:
            continue  # a stranger's file: no run has put it there
        run_id = folder.path.rpartition("/")[2]
        ticket = read_ticket(storage, job, run_id)
        if not is_abandoned(ticket, newest_version, now_ms, last_change_ms(storage, folder), is_dead):
            continue
        # Once more: before its end it may have gone on behind another's commit, and then made that number.
        ticket = read_ticket(storage, job, run_id) or ticket
        if ticket is not None and not log.fence(run_id, ticket.base_version + 1):
            continue  # it has committed: the next run publishes these files
        storage.delete(folder.path)
        swept.append(run_id)
    return tuple(swept)


def is_abandoned(
    ticket: RunTicket | None,
    newest_version: int,
    now_ms: int,
    last_change_ms: int,
    is_dead: Callable[[RunTicket], bool],
) -> bool:
    """Whether a run's folder may be removed.

    A folder without a ticket is what a straggling task made after its run had ended, or its ticket was
    damaged or is another run's: only age tells.
    """
    is_old = now_ms - last_change_ms > ABANDONED_AFTER_MS
    if ticket is None:
        return is_old
    if is_dead(ticket):
        return True
    return is_old and ticket.base_version < newest_version


def last_change_ms(storage: Storage, folder: FileStatus) -> int:
    """When something in a run's folder changed last, by the file system's clock."""
    try:
        entries: Sequence[FileStatus] = storage.list(folder.path)
    except PathNotFound:
        entries = ()
    return max((entry.modified_ms for entry in entries), default=folder.modified_ms)
