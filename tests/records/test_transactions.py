"""Aborted transactions, by KIP-98's rules."""

import random

import pytest

from loader.records.decoder import decode

from .batches import Batch, Record, fetched, marker, numbered, orders


def offsets(batches: list[Batch], aborted: list[tuple[int, int]], end: int) -> list[int]:
    response = b"".join(batch.encode() for batch in batches)
    parts = decode(fetched(response, batches[0].base_offset, aborted), orders(0, end), 0, "read_committed")
    return [offset for part in parts for offset in part.rows["offset"].to_pylist()]


def of_producer(producer_id: int, base_offset: int, count: int = 1) -> Batch:
    return numbered(base_offset, count, is_transactional=True, producer_id=producer_id)


def test_interleaved_producers_are_told_apart() -> None:
    log = [
        of_producer(1, 0),
        of_producer(2, 1),
        of_producer(1, 2),
        marker(3, 1, commits=False),
        of_producer(2, 4),
        marker(5, 2, commits=True),
    ]

    assert offsets(log, [(0, 1)], 6) == [1, 4]


def test_the_next_transaction_of_a_producer_that_aborted_is_delivered() -> None:
    log = [of_producer(1, 0), marker(1, 1, commits=False), of_producer(1, 2), marker(3, 1, commits=True)]

    assert offsets(log, [(0, 1)], 4) == [2]


def test_two_aborted_transactions_of_a_producer_with_a_good_one_between() -> None:
    log = [
        of_producer(1, 0),
        marker(1, 1, commits=False),
        of_producer(1, 2),
        marker(3, 1, commits=True),
        of_producer(1, 4),
        marker(5, 1, commits=False),
    ]

    assert offsets(log, [(4, 1), (0, 1)], 6) == [2]


def test_a_transaction_aborted_from_before_the_response_is_aborted_in_it() -> None:
    log = [of_producer(1, 50, 5), marker(55, 1, commits=False), of_producer(1, 56)]

    response = b"".join(batch.encode() for batch in log)
    (part,) = decode(fetched(response, 52, [(10, 1)]), orders(52, 57), 52, "read_committed")

    assert part.rows["offset"].to_pylist() == [56]
    assert (part.counts.aborted_count, part.counts.control_count) == (3, 1)


def test_a_commit_marker_does_not_end_an_aborted_transaction() -> None:
    log = [of_producer(1, 0), marker(1, 1, commits=True), of_producer(1, 2), marker(3, 1, commits=False)]

    assert offsets(log, [(0, 1)], 4) == []


def test_only_the_first_record_of_a_control_batch_ends_it() -> None:
    abort, commit = marker(1, 1, commits=False).records[0], marker(1, 1, commits=True).records[0]
    not_an_end = Batch(
        1,
        (commit, Record(1, key=abort.key)),
        is_control=True,
        is_transactional=True,
        producer_id=1,
    )

    assert offsets([of_producer(1, 0), not_an_end, of_producer(1, 3)], [(0, 1)], 4) == []


def test_a_producer_without_transactions_is_not_taken_for_one_that_aborted() -> None:
    idempotent = numbered(0, 2, producer_id=1)

    assert offsets([idempotent], [(0, 1)], 2) == [0, 1]


@pytest.mark.parametrize("codec", ["none", "lz4 as Java writes it"])
def test_a_marker_is_found_in_a_compressed_control_batch_too(codec: str) -> None:
    end = Batch(
        1,
        marker(1, 1, commits=False).records,
        codec=codec,
        is_control=True,
        is_transactional=True,
        producer_id=1,
    )

    assert offsets([of_producer(1, 0), end, of_producer(1, 2)], [(0, 1)], 3) == [2]


def test_the_list_of_aborted_transactions_may_come_in_any_order() -> None:
    log: list[Batch] = []
    aborted = []
    for number in range(30):
        log += [
            of_producer(number % 3, 2 * number),
            marker(2 * number + 1, number % 3, commits=number % 2 == 0),
        ]
        if number % 2:
            aborted.append((2 * number, number % 3))
    random.Random(7).shuffle(aborted)

    assert offsets(log, aborted, 60) == [2 * number for number in range(0, 30, 2)]
