"""The destination: is it there, does it do what commits rely on, whose is it, and which time is it there."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from loader.commits.log import CommitLog
from loader.errors import LoaderError, PathExists
from loader.operations.checks.check import Check, bad, doubtful, fine
from loader.operations.job import Job
from loader.operations.plan import read_ledger
from loader.storage.facts import missing_folders, read_facts, remove_if_empty
from loader.storage.protocol import Storage
from loader.values import layout

LITTLE_SPACE_BYTES = 1 << 30
CLOCK_TOLERANCE_MS = 5_000
CLOCK_LIMIT_MS = 600_000
"""From here on a sweep, which goes by age, could take a living run's folder for an old one."""

PROBE = b"kafka-loader doctor\n"


@contextmanager
def probe_folder(job: Job, probe_id: str) -> Iterator[str]:
    """A folder to try things in, among those of runs; afterwards it and all that was made for it is gone.

    Killed in between, it is what a dead run leaves: a later run sweeps it.
    """
    folder = layout.run_folder(job.name, f"doctor-{probe_id}")
    made = missing_folders(f"{job.storage.url}/{layout.runs_folder(job.name)}")
    try:
        yield folder
    except BaseException:
        with suppress(LoaderError):  # where nothing can be made nothing can be deleted: the first error tells
            _clear(job, folder, made)
        raise
    _clear(job, folder, made)


def _clear(job: Job, folder: str, made: list[str]) -> None:
    job.storage.delete(folder)
    for url in made:
        if not remove_if_empty(url):  # another run has begun to use it
            break


def check_destination(job: Job, probe_id: str, now_ms: Callable[[], int]) -> Iterator[Check]:
    """Write, rename and read back as a commit does; then whose folder it is, its room, and its clock."""
    is_there = read_facts(job.storage.url) is not None
    with probe_folder(job, probe_id) as folder:
        began_s, began_ms = time.monotonic(), now_ms()
        _create(job.storage, f"{folder}/clock")
        changed_ms = job.storage.status(f"{folder}/clock").modified_ms
        file = read_facts(f"{job.storage.url}/{folder}/clock")
        ended_ms = now_ms()
        overwrites = _try_commits(job.storage, folder)
        took_ms = (time.monotonic() - began_s) * 1000
        facts = read_facts(job.storage.url)
    state = "" if is_there else "not there yet, and can be made; "
    done = "files are written durably, renamed, read back and deleted"
    if overwrites:
        yield bad(
            "destination",
            f"{job.storage.url}: a rename replaced a file that was there: two runs could both commit",
            "Use another file system: a local one, NFS 4, or HDFS.",
            2,
        )
    else:
        yield fine("destination", f"{job.storage.url}: {state}{done}, none over another, in {took_ms:.0f} ms")
    if facts is not None:
        owned = f"; the folder is {facts.owner}:{facts.group} {facts.permission}" if is_there else ""
        if facts.free_bytes is None:
            copies = file.copy_count if file is not None else None
            kept = f"; it keeps {copies} cop{'y' if copies == 1 else 'ies'} of a file" if copies else ""
            yield fine("free space", f"HDFS tells its space to administrators only{kept}{owned}")
        elif facts.free_bytes < LITTLE_SPACE_BYTES:
            free = f"only {facts.free_bytes / 2**20:,.0f} MiB are free"
            yield doubtful("free space", f"{free}{owned}", "Make room: a run without stops with 3.")
        else:
            yield fine("free space", f"{facts.free_bytes / 2**30:,.1f} GiB are free{owned}")
    yield _clock(began_ms, changed_ms, ended_ms)


def _create(storage: Storage, path: str) -> None:
    with storage.create(path) as file:
        file.write(PROBE)


def _try_commits(storage: Storage, folder: str) -> bool:
    """Two commits of one number; whether the second replaced the first."""
    for name in ("first", "second"):
        _create(storage, f"{folder}/{name}")
    storage.move(f"{folder}/first", f"{folder}/commit")
    try:
        storage.move(f"{folder}/second", f"{folder}/commit")
    except PathExists:
        pass
    else:
        return True
    if storage.read(f"{folder}/commit") != PROBE:
        raise RuntimeError(f"{storage.url}/{folder}/commit holds other bytes than were written")
    return False


def _clock(began_ms: int, changed_ms: int, ended_ms: int) -> Check:
    """How far the file system's clock is from this machine's, as the time of a new file tells.

    Kafka's brokers tell no client their time, so theirs are not compared.
    """
    away_ms = max(began_ms - changed_ms, changed_ms - ended_ms, 0)
    brokers = "brokers do not tell theirs"
    if away_ms <= CLOCK_TOLERANCE_MS:
        return fine("clock", f"the destination's and this machine's agree within 5 s; {brokers}")
    found = f"the destination's and this machine's differ by {away_ms / 1000:,.0f} s; {brokers}"
    to_do = "Set both by NTP: the age of files, and times of commits, go by them."
    return bad("clock", found, to_do, 2) if away_ms > CLOCK_LIMIT_MS else doubtful("clock", found, to_do)


def check_ledger(job: Job) -> Iterator[Check]:
    """Whether the ledger can be read; raises what a run would raise."""
    newest = read_ledger(job)
    if newest is None:
        yield fine("ledger", f"none yet: job {job.name} has not run")
        return
    moment = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(newest.committed_at_ms / 1000))
    commits = len(CommitLog(job.storage, job.name).versions())
    kept = f"{commits:,} commits without a hole" if commits > 1 else "1 commit"
    yield fine("ledger", f"{kept}; the newest, {newest.version}, of {moment} can be read")
