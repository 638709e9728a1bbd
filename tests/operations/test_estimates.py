"""How large the next plan takes its ranges to be, whatever the newest commit was."""

from dataclasses import replace
from typing import Any, cast

import pytest

from loader.commits.record import Commit, Operation
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.metadata import ClusterListing
from loader.operations import estimates
from loader.planning.bounds import PartitionBounds
from loader.planning.ranges import PlannedPartition
from loader.values import LoadedRange, OffsetRange, RangeCounts, TopicPartition
from tests.commits.examples import a_commit

BY_THE_LOG = 100 * 7
"""Of 100 offsets, where the log holds 1,000 in 7,000 bytes."""


def loaded(offset_count: int, fetched_bytes: int, **more: Any) -> LoadedRange:
    span = OffsetRange("orders", 0, 900 - offset_count, 900)
    return LoadedRange(span, RangeCounts(row_count=offset_count), 4, fetched_bytes, **more)


@pytest.mark.parametrize(
    ("operation", "ranges", "estimated_bytes"),
    [
        ("load", (loaded(10, 500),), 100 * 50),
        ("backfill", (loaded(20, 800, replaced=RangeCounts(row_count=20)),), 100 * 40),
        ("load", (loaded(0, 0),), BY_THE_LOG),
        ("repair", (loaded(900, 0),), BY_THE_LOG),
        ("replay", (), BY_THE_LOG),
        ("compact", (), BY_THE_LOG),
        ("set_position", (), BY_THE_LOG),
    ],
    ids=["load", "backfill", "nothing new", "repair", "replay", "compact", "set_position"],
)
def test_a_commit_that_fetched_nothing_of_a_partition_leaves_its_size_to_the_log(
    operation: Operation,
    ranges: tuple[LoadedRange, ...],
    estimated_bytes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(estimates, "read_log_sizes", lambda *_: {TopicPartition("orders", 0): 7_000})
    newest: Commit = replace(a_commit(), operation=operation, ranges=ranges)
    wanted = OffsetRange("orders", 0, 900, 1_000)
    planned = [PlannedPartition(wanted, PartitionBounds(0, 1, 4, 0, 1_000, 1_000), is_new=False)]

    (sized,) = estimates.estimate_sizes(cast(KafkaClient, None), cast(ClusterListing, None), planned, newest)

    assert (sized.range, sized.estimated_bytes) == (wanted, estimated_bytes)
