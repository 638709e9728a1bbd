"""The ledger as a Parquet table, for those who ask SQL of it: _loader/<job>/offsets/*.parquet.

Each commit adds a small file, named by its number. Full hundreds, then full thousands of commits are put
together into one file, so 100,000 commits are some 100 to 300 files. The table follows the ledger and never
leads: what is missing, after a kill or in a ledger that is older than the table, later commits bring along.

Parts are put together in this order: the new file gets its name, then its parts go. A reader that lists the
folder in between sees the same rows twice, never none; SELECT DISTINCT takes them once. The other order could
show a hole of a thousand commits, which no query can fill. One that has listed before and opens after does
not find the parts, and fails; it asks again.
"""

import logging
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from loader.commits.log import CommitLog
from loader.commits.markers import read_marker
from loader.commits.offsets_table import OFFSETS_SCHEMA, offsets_table
from loader.commits.record import Commit
from loader.errors import LedgerDamaged, LoaderError, PathExists, PathNotFound, UnreadableFile
from loader.operations.job import Job
from loader.sink.table_file import write_tables
from loader.tables.opening import opened
from loader.values import layout

BLOCKS = (100, 1_000)
"""So many commits are put together; each a multiple of the one before."""

MOST_COMMITS = 300
MOST_ROWS = 100_000
MOST_FILES = 3
"""What one run adds at the most where much is missing: about a second of work."""

_NAME = re.compile(r"(\d{20})-(\d{20})\.parquet")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, order=True)
class Stretch:
    """The commits first to last, both included."""

    first: int
    last: int

    def __contains__(self, other: "Stretch") -> bool:
        return self.first <= other.first and other.last <= self.last


def export_offsets(job: Job, newest: Commit) -> None:
    """Bring the table up to the newest commit, whose run's folder is still there to stage files in.

    Never fails a run: the commit stands without it. What went wrong is logged, and the next commit tries
    again.
    """
    try:
        _export(job, newest)
    except (LoaderError, pa.ArrowException) as error:
        _log.warning(
            "%s/%s could not be brought up to commit %d, which stands; the next commit does it: %s",
            job.storage.url,
            layout.offsets_folder(job.name),
            newest.version,
            error,
        )


def _export(job: Job, newest: Commit) -> None:
    first = read_marker(job.storage, layout.first_folder(job.name)) or 1
    # Nothing from before a repair counts; and a ledger that was lost may begin again with the same number.
    parts = _tidied(job, first, afresh=newest.operation == "repair")
    writer = _Writer(job, newest)
    for missing in _missing(parts, first, newest.version):
        parts += writer.add(missing)
        if writer.is_spent:
            break
    for size in BLOCKS:
        parts = _joined(job, newest.run_id, parts, first, size)


def _tidied(job: Job, first: int, *, afresh: bool) -> list[Stretch]:
    """The parts of the table; those that a repair made void go, and those whose commits another has."""
    try:
        names = job.storage.names(layout.offsets_folder(job.name))
    except PathNotFound:
        return []
    found = [Stretch(int(match[1]), int(match[2])) for name in names if (match := _NAME.fullmatch(name))]
    parts: list[Stretch] = []
    for part in sorted(found, key=lambda each: (each.first, -each.last)):
        if afresh or part.first < first or (parts and part.first <= parts[-1].last):
            job.storage.delete(layout.offsets_path(job.name, part.first, part.last))
        else:
            parts.append(part)
    return parts


def _missing(parts: Sequence[Stretch], first: int, last: int) -> Iterator[Stretch]:
    """What no part holds, from the newest down."""
    for part in sorted(parts, reverse=True):
        if part.last < last:
            yield Stretch(part.last + 1, last)
        last = part.first - 1
    if first <= last:
        yield Stretch(first, last)


class _Writer:
    """Writes what is missing, as far as one run may take the time for it."""

    def __init__(self, job: Job, newest: Commit) -> None:
        self._job = job
        self._newest = newest
        self._log = CommitLog(job.storage, job.name)
        self._commits_left = MOST_COMMITS
        self._rows_left = MOST_ROWS
        self._files_left = MOST_FILES

    @property
    def is_spent(self) -> bool:
        """Whether the rest waits for later runs."""
        return min(self._commits_left, self._rows_left, self._files_left) <= 0

    def add(self, missing: Stretch) -> list[Stretch]:
        """Write what is missing there, from its end down; the parts that were made."""
        added = []
        version = missing.last
        while version >= missing.first and not self.is_spent:
            # No part reaches over the border of a thousand, or it could never be put together with others.
            border = version - (version - 1) % BLOCKS[-1]
            tables = self._read_down(version, max(missing.first, border))
            if not tables:
                version -= 1  # damaged: verify tells of it, and a repair makes the table anew
                continue
            part = Stretch(version - len(tables) + 1, version)
            _put(self._job, self._newest.run_id, part, reversed(tables))
            added.append(part)
            self._files_left -= 1
            version = part.first - 1
        return added

    def _read_down(self, last: int, first: int) -> list[pa.Table]:
        """The rows of each commit from the last down to the first, or to a damaged one, or to the limits."""
        tables: list[pa.Table] = []
        for version in range(last, first - 1, -1):
            if self.is_spent:
                break
            self._commits_left -= 1
            try:
                commit = self._newest if version == self._newest.version else self._log.read(version)
            except (LedgerDamaged, PathNotFound) as error:
                _log.warning("the table of offsets goes without commit %d: %s", version, error)
                break
            tables.append(offsets_table([commit]))
            self._rows_left -= tables[-1].num_rows
        return tables


def _joined(job: Job, run_id: str, parts: Sequence[Stretch], first: int, size: int) -> list[Stretch]:
    """The parts, after those of the newest full block of `size` commits were put together, if any is full."""
    blocks: dict[int, list[Stretch]] = {}
    for part in sorted(parts):
        number = (part.first - 1) // size
        if (part.last - 1) // size == number:
            blocks.setdefault(number, []).append(part)
    for number, within in sorted(blocks.items(), reverse=True):
        block = Stretch(max(first, number * size + 1), (number + 1) * size)
        if len(within) > 1 and not any(_missing(within, block.first, block.last)):
            _put(job, run_id, block, (table for part in within for table in _read(job, part)))
            for part in within:
                job.storage.delete(layout.offsets_path(job.name, part.first, part.last))
            return [*(part for part in parts if part not in block), block]
    return list(parts)


def _read(job: Job, part: Stretch) -> list[pa.Table]:
    path = layout.offsets_path(job.name, part.first, part.last)
    try:
        with opened(job.storage, path) as file:
            return [file.read().cast(OFFSETS_SCHEMA)]
    except UnreadableFile:
        job.storage.delete(path)  # the ledger has it still: a later run writes it anew
        raise


def _put(job: Job, run_id: str, part: Stretch, tables: Iterable[pa.Table]) -> None:
    """Write a part of the table beside it, then give it its name; one that is there is as good."""
    staged = f"{layout.run_folder(job.name, run_id)}/offsets-{secrets.token_hex(6)}.staged"
    write_tables(job.storage, staged, OFFSETS_SCHEMA, tables)
    try:
        job.storage.move(staged, layout.offsets_path(job.name, part.first, part.last))
    except PathExists:
        job.storage.delete(staged)
