"""How many bytes of log a range holds: by the newest commit, by the log's size on disk, or by a sample."""

from collections.abc import Iterable, Mapping
from statistics import fmean

from loader.commits.record import Commit
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.log_sizes import read_log_sizes
from loader.kafka_source.metadata import ClusterListing
from loader.planning.ranges import PlannedPartition
from loader.planning.splits import SizedRange
from loader.values import OffsetRange, TopicPartition

ASSUMED_OFFSET_BYTES = 256
"""Of one record in the log, where nothing tells at all."""


def estimate_sizes(
    client: KafkaClient, listing: ClusterListing, planned: Iterable[PlannedPartition], newest: Commit | None
) -> list[SizedRange]:
    """The ranges that have offsets, with their estimated bytes.

    newest  tells of the partitions that it fetched bytes of. A replay, a moved position and merged files have
            fetched none, and what a repair found in files it has no bytes of: then Kafka is asked
    """
    work = [each for each in planned if each.range.offset_count]
    if not work:
        return []
    rates = {
        loaded.range.topic_partition: loaded.fetched_bytes / loaded.range.offset_count
        for loaded in (newest.ranges if newest else ())
        if loaded.range.offset_count and loaded.fetched_bytes
    }
    sizes: Mapping[TopicPartition, int] = {}
    if any(each.range.topic_partition not in rates for each in work):
        sizes = read_log_sizes(client, listing)
    known = rates.keys() | sizes.keys()
    unknown = [each.range for each in work if each.range.topic_partition not in known]
    samples = _sample_rates(client, listing, unknown) if unknown else {}
    usual = fmean(samples.values()) if samples else ASSUMED_OFFSET_BYTES
    sized = []
    for each in work:
        partition = each.range.topic_partition
        rate = rates.get(partition)
        if rate is None:
            log_offsets = max(each.bounds.high_watermark - each.bounds.log_start_offset, 1)
            rate = sizes[partition] / log_offsets if partition in sizes else samples.get(partition, usual)
        sized.append(SizedRange(each.range, round(rate * each.range.offset_count)))
    return sized


def _sample_rates(
    client: KafkaClient, listing: ClusterListing, ranges: list[OffsetRange]
) -> dict[TopicPartition, float]:
    # It reads batches, and what that needs takes half a second to import: mostly no plan has to.
    from loader.kafka_source.log_samples import read_sample_rates

    return read_sample_rates(client, listing, ranges)
