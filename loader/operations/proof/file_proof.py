"""Whether the files of a commit hold each row that it counts, once, and no other.

Commits that took files of others away are looked at together with those: rows that one of them loaded lie in
a file of another. A bit for each offset of their ranges is what this takes of memory, however many files
there are.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from loader.commits.record import Commit
from loader.errors import RECORD_LOSS, PathNotFound, UnreadableFile
from loader.operations.proof.findings import MOST_NAMED, RESTORE, Findings, OffsetSample, name_stretches
from loader.planning.covered import without_overlaps
from loader.storage.protocol import Storage
from loader.tables.footers import Footer, footer_of
from loader.tables.offsets import RowOffsets, read_offsets
from loader.tables.opening import opened
from loader.tables.rows import decode_all
from loader.tables.seen_offsets import SeenOffsets
from loader.values import DataFile, LoadedRange

FILE_CHOICES = (RESTORE, RECORD_LOSS)


@dataclass(frozen=True, slots=True)
class FileProof:
    """What was found of one file: where it lies, and whether all its offsets could be read.

    path  None where it is nowhere
    """

    file: DataFile
    path: str | None
    is_counted: bool


@dataclass(slots=True)
class CommitProof:
    """Looks at the files of one commit, or of several together, each once.

    removed        paths of files that later commits took away
    staged_folders where files lie that are not published yet, by the version of their commit
    deep           whether every page of every column is decoded as well
    """

    storage: Storage
    commits: Sequence[Commit]
    removed: set[str]
    staged_folders: Mapping[int, str]
    deep: bool
    findings: Findings
    _ranges: "_Ranges" = field(init=False)

    def __post_init__(self) -> None:
        self._ranges = _Ranges(without_overlaps(each for commit in self.commits for each in commit.ranges))

    def prove(self) -> list[FileProof]:
        """Look at every file, then at what they hold together; what is wrong goes to the findings."""
        proofs = [
            self._prove_file(commit, file)
            for commit in self.commits
            for file in commit.files
            if file.path not in self.removed
        ]
        uncounted = [proof.file for proof in proofs if not proof.is_counted]
        for loaded, seen in self._ranges:
            self._prove_range(loaded, seen, uncounted)
        return proofs

    @property
    def _name_of_all(self) -> str:
        versions = [str(commit.version) for commit in self.commits]
        if len(versions) == 1:
            return f"commit {versions[0]}"
        return f"commits {', '.join(versions[:MOST_NAMED])}{' …' if len(versions) > MOST_NAMED else ''}"

    def _prove_file(self, commit: Commit, file: DataFile) -> FileProof:
        folder = self.staged_folders.get(commit.version)
        staged = [f"{folder}/{file.staged_name}", file.path] if folder else []
        # Once more at its place at the end: a run may be publishing it.
        for path in (file.path, *staged):
            try:
                return self._prove_at(path, commit, file)
            except PathNotFound:
                continue
        self.findings.problem(
            "file-missing",
            f"{self._name(file.path)} is missing, with {file.row_count} rows of"
            f" {', '.join(map(str, file.ranges))}, which commit {commit.version} added",
            file.path,
            FILE_CHOICES,
        )
        return FileProof(file, None, is_counted=False)

    def _prove_at(self, path: str, commit: Commit, file: DataFile) -> FileProof:
        """Look at a file where it may lie. Raises PathNotFound, and has told nothing then."""
        found_bytes = self.storage.status(path).size_bytes
        is_counted, broken = False, ""
        try:
            with opened(self.storage, path) as parquet:
                self._prove_footer(parquet, commit, file, path)
                if not file.is_replay:  # these are held against the quarantine when all files are known
                    self._prove_offsets(parquet, file)
                is_counted = True
                if self.deep:
                    decode_all(parquet)
        except UnreadableFile as error:
            broken = str(error)
        if found_bytes != file.size_bytes:
            self.findings.problem(
                "file-size",
                f"{self._name(path)} has {found_bytes} bytes, but {file.size_bytes} by commit"
                f" {commit.version}",
                file.path,
                FILE_CHOICES,
            )
        if broken:
            self.findings.problem("file-broken", broken, file.path, FILE_CHOICES)
        return FileProof(file, path, is_counted)

    def _prove_footer(self, parquet: pq.ParquetFile, commit: Commit, file: DataFile, path: str) -> None:
        try:
            footer = footer_of(parquet.metadata, path, file.size_bytes)
        except UnreadableFile as error:
            wrong = str(error)
        else:
            wrong = (
                "another program wrote it" if footer is None else "; ".join(self._wrong(footer, commit, file))
            )
        if wrong:
            self.findings.problem("footer", f"{self._name(path)}: {wrong}", file.path, FILE_CHOICES)

    def _wrong(self, footer: Footer, commit: Commit, file: DataFile) -> Iterator[str]:
        """What the footer says otherwise than the commit."""
        found = footer.file
        topic = commit.position.topics.get(file.ranges[0].topic)
        facts: list[tuple[str, object, object]] = [
            ("job_id", footer.job_id, commit.job_id),
            ("cluster_id", footer.cluster_id, commit.cluster_id),
            ("topic", footer.topic, file.ranges[0].topic),
            ("topic_id", footer.topic_id, topic.topic_id if topic else None),
            ("staged_name", found.staged_name, file.staged_name),
            ("row_count", found.row_count, file.row_count),
            ("ranges", list(map(str, found.ranges)), list(map(str, file.ranges))),
            ("min_timestamp_ms", found.min_timestamp_ms, file.min_timestamp_ms),
            ("max_timestamp_ms", found.max_timestamp_ms, file.max_timestamp_ms),
        ]
        if commit.operation != "repair":  # a repair lists the files of all runs before it
            facts.append(("run_id", footer.run_id, commit.run_id))
        for name, said, expected in facts:
            if said != expected:
                yield f"its footer says {name} {said}, commit {commit.version} says {expected}"

    def _prove_offsets(self, parquet: pq.ParquetFile, file: DataFile) -> None:
        strangers: defaultdict[str, OffsetSample] = defaultdict(OffsetSample)
        doubled: defaultdict[str, OffsetSample] = defaultdict(OffsetSample)
        falling: defaultdict[str, OffsetSample] = defaultdict(OffsetSample)
        last_offsets: dict[str, int] = {}
        for rows in read_offsets(parquet):
            name = f"{rows.topic}-{rows.partition}"
            outside, again = self._ranges.mark(rows, file)
            strangers[name].add(outside)
            doubled[name].add(again)
            before = np.concatenate([[last_offsets.get(name, -1)], rows.offsets[:-1]])
            falling[name].add(rows.offsets[rows.offsets < before])
            last_offsets[name] = int(rows.offsets[-1])
        of_all = self._name_of_all
        self._tell(file, "offset-stranger", strangers, f"which {of_all} did not load")
        self._tell(file, "offset-twice", doubled, f"which are in this or another file of {of_all} too")
        self._tell(file, "offset-order", falling, "which come behind higher ones")

    def _tell(self, file: DataFile, kind: str, samples: dict[str, OffsetSample], why: str) -> None:
        for name, sample in sorted(samples.items()):
            if sample.count:
                rows = "1 row" if sample.count == 1 else f"{sample.count} rows"
                self.findings.problem(
                    kind, f"{self._name(file.path)} has {rows} of {name}, {sample}, {why}", file.path
                )

    def _prove_range(self, loaded: LoadedRange, seen: "_Seen", uncounted: list[DataFile]) -> None:
        # What a file holds that cannot be read is told of the file.
        untold = [file for file in uncounted if any(part.overlaps(loaded.range) for part in file.ranges)]
        counts = loaded.counts
        if not any(not file.is_quarantine for file in untold):
            self._prove_count(loaded, "rows", counts.row_count, seen.row_count, seen)
        if not any(file.is_quarantine for file in untold):
            expected, found = counts.quarantined_count, seen.quarantined_count
            self._prove_count(loaded, "quarantined records", expected, found, seen)

    def _prove_count(self, loaded: LoadedRange, what: str, expected: int, found: int, seen: "_Seen") -> None:
        wanted, of_all = loaded.range, self._name_of_all
        missing = expected - found
        if missing < 0:
            self.findings.problem(
                "counts",
                f"{wanted}: the files of {of_all} hold {found} different offsets, but counted are"
                f" {expected} {what}",
            )
        if missing > 0:
            explained = loaded.counts.explained_count - expected
            others = f"; {explained} of these are explained otherwise" if explained else ""
            without = name_stretches(seen.offsets.unseen(MOST_NAMED + 1))
            self.findings.problem(
                "offset-missing",
                f"{wanted}: {missing} of {expected} {what} are in no file of {of_all}; offsets"
                f" without a row: {without}{others}",
                choices=FILE_CHOICES,
            )

    def _name(self, path: str) -> str:
        return f"{self.storage.url}/{path}"


@dataclass(slots=True)
class _Seen:
    """The offsets of one range that were seen, and of how many the record is in the quarantine."""

    offsets: SeenOffsets
    quarantined_count: int = 0

    @property
    def row_count(self) -> int:
        return self.offsets.distinct_count - self.quarantined_count

    def mark(self, offsets: NDArray[np.int64], is_quarantine: bool) -> NDArray[np.int64]:
        """Note offsets; those that were noted before, in rows or in the quarantine."""
        again = self.offsets.mark(offsets)
        if is_quarantine:
            self.quarantined_count += len(offsets) - len(again)
        return again


class _Ranges:
    """The ranges of some commits, with the offsets of each that were seen."""

    def __init__(self, ranges: Iterable[LoadedRange]) -> None:
        self._by_partition: defaultdict[tuple[str, int], list[LoadedRange]] = defaultdict(list)
        for loaded in sorted(ranges, key=lambda each: each.range):
            self._by_partition[loaded.range.topic, loaded.range.partition].append(loaded)
        self._seen = {
            key: [_Seen(SeenOffsets(each.range.start_offset, each.range.end_offset)) for each in group]
            for key, group in self._by_partition.items()
        }

    def mark(self, rows: RowOffsets, file: DataFile) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Note rows of a file: those of no range, and those that were noted before."""
        nothing = np.empty(0, np.int64)
        group = self._by_partition.get((rows.topic, rows.partition))
        if group is None or rows.topic != file.ranges[0].topic:
            return rows.offsets, nothing
        starts = np.array([each.range.start_offset for each in group])
        ends = np.array([each.range.end_offset for each in group])
        places = np.searchsorted(starts, rows.offsets, side="right") - 1
        is_inside = (places >= 0) & (rows.offsets < ends[places])
        seen = self._seen[rows.topic, rows.partition]
        again = [
            seen[place].mark(rows.offsets[is_inside & (places == place)], file.is_quarantine)
            for place in np.unique(places[is_inside]).tolist()
        ]
        return rows.offsets[~is_inside], np.concatenate([nothing, *again])

    def __iter__(self) -> Iterator[tuple[LoadedRange, _Seen]]:
        for key, group in self._by_partition.items():
            yield from zip(group, self._seen[key], strict=True)
