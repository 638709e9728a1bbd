"""Which small files are merged, and which with which. Integers and names only, no I/O.

Of a time that is over, and of that alone: what is still being loaded would only be merged again. Files that
lie together, hold rows of the same kind, and are each far below the target size, become as few as reach it.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from loader.values import DataFile, layout

CLOSED_AFTER_MS = 3_600_000
"""How long after its end a time folder is taken to be over: by then runs have loaded what was late."""

SMALL = 0.5
"""The part of the target size below which a file is merged. Two of them never pass the target."""

MOST_FILES = 32
"""How many files are read at a time, a batch of rows of each: more are merged in rounds."""


@dataclass(frozen=True, slots=True, order=True)
class Shelf:
    """Where files lie that may be merged with one another, and of which kind they are.

    folder    of their published paths; records in the quarantine have one of their own
    is_replay whether they were made of records in the quarantine
    is_typed  whether their rows have columns; False where these are as Kafka has them
    """

    topic: str
    folder: str
    is_replay: bool = False
    is_typed: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """A small file: a published one, or one that was made of several of them and is still staged."""

    shelf: Shelf
    file: DataFile
    is_staged: bool = False


def is_small(file: DataFile, target_file_bytes: int) -> bool:
    """Whether a file is so far below the target size that it is merged."""
    return file.size_bytes < target_file_bytes * SMALL


def is_closed(folder: str, added_at_ms: int, now_ms: int) -> bool:
    """Whether the time of a folder is over. Where it has none, each file counts by itself.

    added_at_ms  when the file was committed
    """
    end_ms = layout.folder_end_ms(folder)
    return now_ms - (added_at_ms if end_ms is None else end_ms) >= CLOSED_AFTER_MS


def groups_of(
    pieces: Iterable[Piece], target_file_bytes: int, most_files: int | None = MOST_FILES
) -> list[tuple[Piece, ...]]:
    """Pieces that become one file each: two or more of one shelf, together not above the target size.

    Small ones only, by partition and offset, so that a file has few stretches of offsets. What is in no group
    stays as it is. A group is closed where the next piece would pass the target, and is not small then: once
    each has become one file of that size, no shelf has two small ones.

    most_files  in one group; None for any number
    """
    shelves: defaultdict[Shelf, list[Piece]] = defaultdict(list)
    for piece in pieces:
        if is_small(piece.file, target_file_bytes):
            shelves[piece.shelf].append(piece)
    groups = []
    for _, on_shelf in sorted(shelves.items()):
        group: list[Piece] = []
        size_bytes = 0
        for piece in sorted(on_shelf, key=lambda each: (each.file.ranges, each.file.path)):
            is_full = len(group) == most_files or size_bytes + piece.file.size_bytes > target_file_bytes
            if group and is_full:
                groups.append(tuple(group))
                group, size_bytes = [], 0
            group.append(piece)
            size_bytes += piece.file.size_bytes
        groups.append(tuple(group))
    return [group for group in groups if len(group) > 1]
