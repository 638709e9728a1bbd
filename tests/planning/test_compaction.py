"""Which files are merged: small ones of closed folders, each once, into groups near the target size."""

import random
from collections.abc import Iterable

import pytest

from loader.planning.compaction import CLOSED_AFTER_MS, Piece, Shelf, groups_of, is_closed, is_small
from loader.values import DataFile, OffsetRange

HOUR_MS = 3_600_000
TEN_MS = 1_709_200_800_000
"""2024-02-29 10:00:00 UTC."""

TARGET = 1000


def a_file(name: str, size_bytes: int, start_offset: int = 0, folder: str = "orders") -> DataFile:
    span = OffsetRange("orders", 0, start_offset, start_offset + 10)
    return DataFile(f"{folder}/{name}.parquet", f"{name}.parquet", size_bytes, 10, (span,), None, None)


def random_pieces(rng: random.Random, count: int) -> list[Piece]:
    shelves = [
        Shelf("orders", folder, is_replay, is_typed)
        for folder in ("orders/dt=2024-02-29/hour=10", "orders/dt=2024-02-29/hour=11", "_quarantine/orders")
        for is_replay in (False, True)
        for is_typed in (False, True)
    ]
    pieces = []
    for number in range(count):
        shelf = rng.choice(shelves)
        size_bytes = rng.choice([rng.randrange(1, 60), rng.randrange(1, 1500)])
        file = a_file(f"f{number}", size_bytes, rng.randrange(10**6), shelf.folder)
        pieces.append(Piece(shelf, file))
    return pieces


def merged(group: Iterable[Piece], number: int) -> Piece:
    """What a group becomes, where nothing is saved by it."""
    pieces = list(group)
    start_offset = min(piece.file.ranges[0].start_offset for piece in pieces)
    size_bytes = sum(piece.file.size_bytes for piece in pieces)
    return Piece(pieces[0].shelf, a_file(f"m{number}", size_bytes, start_offset, pieces[0].shelf.folder))


@pytest.mark.parametrize("seed", range(10))
def test_groups_hold_small_files_of_one_shelf_each_once_and_never_pass_the_target(seed: int) -> None:
    pieces = random_pieces(random.Random(seed), 300)

    groups = groups_of(pieces, TARGET)

    paths = [piece.file.path for group in groups for piece in group]
    assert len(paths) == len({*paths})
    for group in groups:
        assert 2 <= len(group) <= 32
        assert len({piece.shelf for piece in group}) == 1
        assert sum(piece.file.size_bytes for piece in group) <= TARGET
        assert all(piece.file.size_bytes < TARGET / 2 for piece in group)
        assert [piece.file.ranges for piece in group] == sorted(piece.file.ranges for piece in group)


@pytest.mark.parametrize("seed", range(10))
def test_once_merged_there_is_nothing_left_to_merge(seed: int) -> None:
    pieces = random_pieces(random.Random(seed), 300)

    groups = groups_of(pieces, TARGET, None)

    used = {piece.file.path for group in groups for piece in group}
    after = [piece for piece in pieces if piece.file.path not in used]
    after += [merged(group, number) for number, group in enumerate(groups)]
    assert groups
    assert groups_of(after, TARGET, None) == []
    for shelf in {piece.shelf for piece in after}:
        assert sum(is_small(piece.file, TARGET) for piece in after if piece.shelf == shelf) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_more_files_than_can_be_read_at_a_time_come_to_the_same_in_rounds(seed: int) -> None:
    shelf = Shelf("orders", "orders")
    rng = random.Random(seed)
    pieces = [Piece(shelf, a_file(f"f{number}", rng.randrange(1, 9), 10 * number)) for number in range(900)]
    total = sum(piece.file.size_bytes for piece in pieces)
    made = 0

    while groups := groups_of(pieces, TARGET):
        used = {piece.file.path for group in groups for piece in group}
        pieces = [piece for piece in pieces if piece.file.path not in used]
        pieces += [merged(group, made + number) for number, group in enumerate(groups)]
        made += len(groups)

    assert sum(piece.file.size_bytes for piece in pieces) == total
    assert sum(is_small(piece.file, TARGET) for piece in pieces) <= 1
    assert made < 900 / 16


def test_a_small_file_alone_and_large_ones_are_left() -> None:
    shelf, other = Shelf("orders", "orders"), Shelf("orders", "orders", is_replay=True)
    pieces = [
        Piece(shelf, a_file("a", 499)),
        Piece(shelf, a_file("b", 500)),
        Piece(shelf, a_file("c", 2000)),
        Piece(other, a_file("d", 10)),
    ]

    assert groups_of(pieces, TARGET) == []


@pytest.mark.parametrize(
    ("folder", "end_ms"),
    [
        ("orders/dt=2024-02-29/hour=10", TEN_MS + HOUR_MS),
        ("orders/dt=2024-02-29/hour=23", TEN_MS + 14 * HOUR_MS),
        ("orders/dt=2024-02-29", TEN_MS + 14 * HOUR_MS),
        ("%5Forders/dt=1969-12-31/hour=23", 0),
    ],
)
def test_a_time_folder_is_closed_some_time_after_its_end(folder: str, end_ms: int) -> None:
    long_ago = -(10**12)

    assert is_closed(folder, long_ago, end_ms + CLOSED_AFTER_MS)
    assert not is_closed(folder, long_ago, end_ms + CLOSED_AFTER_MS - 1)


@pytest.mark.parametrize(
    "folder",
    [
        "orders",
        "_quarantine/orders",
        "orders/dt=__HIVE_DEFAULT_PARTITION__/hour=__HIVE_DEFAULT_PARTITION__",
        "orders/dt=__HIVE_DEFAULT_PARTITION__",
    ],
)
def test_where_a_folder_has_no_time_the_commit_of_the_file_counts(folder: str) -> None:
    assert is_closed(folder, TEN_MS, TEN_MS + CLOSED_AFTER_MS)
    assert not is_closed(folder, TEN_MS, TEN_MS + CLOSED_AFTER_MS - 1)
