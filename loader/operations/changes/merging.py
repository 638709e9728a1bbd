"""Small files merged into larger ones, in threads and in rounds, and proven to hold the same rows.

Parquet is decoded and encoded without the GIL. A group has so many files as can be read at a time; where
there are more, what was made of them is merged again, until nothing is left that fits together.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loader.errors import (
    RECORD_LOSS,
    CoverageGap,
    LedgerDamaged,
    PathNotFound,
    StorageUnavailable,
    UnreadableFile,
)
from loader.formats.arrow_types import schema_of
from loader.formats.quarantine import QUARANTINE_SCHEMA
from loader.operations.changes.rewriting import rewrite
from loader.operations.job import Job
from loader.operations.proof.findings import RESTORE
from loader.planning.compaction import Piece, groups_of
from loader.records.schema import RAW_SCHEMA
from loader.tables.offsets import read_offsets
from loader.tables.opening import opened
from loader.values import DataFile, layout
from loader.values.column_types import StructType


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of small files.

    files    new ones, staged
    removed  published ones, whose rows are in these
    """

    files: tuple[DataFile, ...]
    removed: tuple[DataFile, ...]


@dataclass(frozen=True, slots=True)
class Merger:
    """Merges files of one job, in the folder of one run.

    columns   of the tables of topics with typed rows
    threads   how many groups are worked on at a time
    advanced  is told of each group when it is done
    """

    job: Job
    run_id: str
    columns: Mapping[str, StructType]
    threads: int
    advanced: Callable[[Sequence[Piece]], None]

    def merge(self, pieces: Sequence[Piece]) -> Merged:
        """Merge what fits together, until nothing does. What was written lies in the run's folder.

        Raises CoverageGap where new files do not have exactly the rows of the old ones, LedgerDamaged for a
        file that is gone or broken, and what the storage raises.
        """
        target_bytes = self.job.config.write.target_file_bytes
        left, removed = list(pieces), list[DataFile]()
        pool = ThreadPoolExecutor(self.threads, "merge")
        try:
            while groups := groups_of(left, target_bytes):
                used = {piece.file.path for group in groups for piece in group}
                removed += [each.file for each in left if each.file.path in used and not each.is_staged]
                left = [each for each in left if each.file.path not in used]
                for made in pool.map(self._merge_group, groups):
                    left += made
        finally:
            pool.shutdown(cancel_futures=True)  # none may write when the caller removes the folder
        return Merged(tuple(piece.file for piece in left if piece.is_staged), tuple(removed))

    def _merge_group(self, group: Sequence[Piece]) -> list[Piece]:
        shelf = group[0].shelf
        locations = {piece.file.path: self._location(piece) for piece in group}
        files = rewrite(
            self.job,
            self.run_id,
            [piece.file for piece in group],
            self._schema_of(group[0]),
            secrets.token_hex(6),
            location_of=lambda file: locations[file.path],
        )
        made = [Piece(shelf, file, is_staged=True) for file in files]
        self._require_same(group, made)
        for piece in group:
            if piece.is_staged:
                self.job.storage.delete(self._location(piece))
        self.advanced(group)
        return made

    def _location(self, piece: Piece) -> str:
        if piece.is_staged:
            return f"{layout.run_folder(self.job.name, self.run_id)}/{piece.file.staged_name}"
        return piece.file.path

    def _schema_of(self, piece: Piece) -> pa.Schema:
        if piece.file.is_quarantine:
            return QUARANTINE_SCHEMA
        return schema_of(self.columns[piece.shelf.topic]) if piece.shelf.is_typed else RAW_SCHEMA

    def _require_same(self, old: Sequence[Piece], new: Sequence[Piece]) -> None:
        """Read the offsets back, and raise CoverageGap unless both have the same, each as often."""
        try:
            before = self._prints_of(old)
        except (PathNotFound, UnreadableFile) as error:
            raise LedgerDamaged(
                f"a file that was merged cannot be read again: {error} Nothing was changed.",
                [RESTORE, RECORD_LOSS],
            ) from error
        try:
            after = self._prints_of(new)
        except UnreadableFile as error:
            raise StorageUnavailable(
                f"{error} It was written just before. Nothing was committed. Run again; if it repeats, look"
                " at the disks."
            ) from error
        if before != after:
            wrong = sorted(str(key) for key in {*before, *after} if before.get(key) != after.get(key))
            raise CoverageGap(
                f"{len(old)} files of {old[0].shelf.folder} were merged, and the rows of partition"
                f" {', '.join(wrong)} are not the same. Nothing was committed; the files are untouched."
            )

    def _prints_of(self, pieces: Sequence[Piece]) -> dict[int, "_Print"]:
        prints: dict[int, _Print] = {}
        for piece in pieces:
            with opened(self.job.storage, self._location(piece)) as parquet:
                for rows in read_offsets(parquet):
                    known = prints.get(rows.partition, _Print())
                    prints[rows.partition] = known.with_offsets(rows.offsets)
        return prints


@dataclass(frozen=True, slots=True)
class _Print:
    """What tells a multiset of offsets from others, in whatever order they come: their number and two sums.

    Bits would take memory for all offsets between the first and the last, and late rows lie far apart. Two
    sets that differ have the same sums once in 2^128.
    """

    count: int = 0
    sums: tuple[int, ...] = (0, 0)

    def with_offsets(self, offsets: NDArray[np.int64]) -> "_Print":
        added = [int(_mixed(offsets, seed).sum(dtype=np.uint64)) for seed in _SEEDS]
        return _Print(
            self.count + len(offsets),
            tuple((known + more) % 2**64 for known, more in zip(self.sums, added, strict=True)),
        )


_SEEDS = (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03)


def _mixed(offsets: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """Each offset as 64 bits that look random (the last steps of SplitMix64)."""
    bits = offsets.view(np.uint64) + np.uint64(seed)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = bits ^ (bits >> np.uint64(31))
    return mixed
