"""How many bytes an offset takes in the log, by looking at a little of each partition's log.

For a first plan on clusters that do not tell sizes: DescribeLogDirs needs DESCRIBE on the cluster, which a
user who may only read topics does not have.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from loader.kafka_source.client import KafkaClient
from loader.kafka_source.fetch_request import fetch_request
from loader.kafka_source.metadata import ClusterListing
from loader.records.extent import measure
from loader.values import OffsetRange, TopicPartition

SAMPLE_BYTES = 256 * 1024
"""Of one request, for all of its partitions together: some batches of each."""

PARTITIONS_OF_A_REQUEST = 16
MOST_REQUESTS = 64
"""More would cost seconds of planning; what is not asked for is taken to be like the rest."""


def read_sample_rates(
    client: KafkaClient, listing: ClusterListing, ranges: Iterable[OffsetRange]
) -> dict[TopicPartition, float]:
    """Bytes per offset at the beginning of ranges.

    An estimate is all that this is for: a partition is left out where the broker does not answer, or sends
    no whole batch of it within the few bytes asked for.
    """
    rates: dict[TopicPartition, float] = {}
    settings = replace(client.settings, fetch_max_bytes=SAMPLE_BYTES, fetch_max_wait_ms=0)
    for node_id, topic, some in itertools.islice(_requests(listing, ranges), MOST_REQUESTS):
        request = fetch_request(some, listing.topics[topic].topic_id, settings)
        answer = client.ask_each({node_id: request})[node_id]
        if isinstance(answer, Exception):
            continue
        for brought in (each for named in answer.responses for each in named.partitions):
            records = brought.records or b""
            extent = measure(records)
            if not brought.error_code and extent.first_offset is not None and extent.next_offset is not None:
                offset_count = extent.next_offset - extent.first_offset
                rates[TopicPartition(topic, brought.partition_index)] = extent.end / offset_count
    return rates


def _requests(
    listing: ClusterListing, ranges: Iterable[OffsetRange]
) -> Iterator[tuple[int, str, Sequence[OffsetRange]]]:
    """Broker, topic and ranges of each request; a few partitions of every topic before more of any."""
    by_broker: defaultdict[tuple[int, str], list[OffsetRange]] = defaultdict(list)
    for each in ranges:
        leader = listing.leader_of(each.topic_partition)
        if leader is not None and leader.node_id >= 0:
            by_broker[leader.node_id, each.topic].append(each)
    for first in range(0, max(map(len, by_broker.values()), default=0), PARTITIONS_OF_A_REQUEST):
        for (node_id, topic), led in sorted(by_broker.items()):
            if some := led[first : first + PARTITIONS_OF_A_REQUEST]:
                yield node_id, topic, some
