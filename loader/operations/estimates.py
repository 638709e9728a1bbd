"""How many bytes of log a range holds: by the newest commit's rate, else by the size of the log on disk."""

from collections.abc import Iterable, Mapping

from loader.commits.record import Commit
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.log_sizes import read_log_sizes
from loader.kafka_source.metadata import ClusterListing
from loader.planning.ranges import PlannedPartition
from loader.planning.splits import SizedRange
from loader.values import TopicPartition

ASSUMED_OFFSET_BYTES = 256
"""Of one record in the log, where neither a commit nor the brokers tell."""


def estimate_sizes(
    client: KafkaClient, listing: ClusterListing, planned: Iterable[PlannedPartition], newest: Commit | None
) -> list[SizedRange]:
    """The ranges that have offsets, with their estimated bytes."""
    work = [each for each in planned if each.range.offset_count]
    if not work:
        return []
    rates = {
        loaded.range.topic_partition: loaded.fetched_bytes / loaded.range.offset_count
        for loaded in (newest.ranges if newest else ())
        if loaded.range.offset_count
    }
    sizes: Mapping[TopicPartition, int] = {}
    if any(each.range.topic_partition not in rates for each in work):
        sizes = read_log_sizes(client, listing)
    sized = []
    for each in work:
        partition = each.range.topic_partition
        rate = rates.get(partition)
        if rate is None:
            log_offsets = max(each.bounds.high_watermark - each.bounds.log_start_offset, 1)
            rate = sizes[partition] / log_offsets if partition in sizes else ASSUMED_OFFSET_BYTES
        sized.append(SizedRange(each.range, round(rate * each.range.offset_count)))
    return sized
