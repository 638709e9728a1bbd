"""When the record at an offset was produced, by the header of its batch alone.

The header is not compressed, and its base timestamp is that of the first record, so nothing is decoded.
A broker sends whole batches, though: few partitions are asked for in one request, a little of each first.
"""

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kafka.protocol.consumer.fetch import FetchRequest

from loader.kafka_source.client import KafkaClient
from loader.kafka_source.fetch_request import FIRST_VERSION_BY_TOPIC_ID, READ_UNCOMMITTED
from loader.kafka_source.metadata import ClusterListing, parse_topic_id
from loader.values import TopicPartition

FIRST_BYTES, FIRST_AT_ONCE = 20 * 1024, 128
"""Of each partition at first, and how many partitions one request asks for: batches at a producer's default
batch.size come within it."""

SECOND_BYTES, SECOND_AT_ONCE = 1100 * 1024, 6
"""Of those whose first batch is larger: up to a broker's default message.max.bytes."""

MOST_REQUESTS = 100
"""To one broker, of each kind: what is not asked for has no time here."""

# Batch header, format 2: base offset, length, leader epoch, magic, CRC, attributes, last offset delta,
# base timestamp, max timestamp.
_HEADER = struct.Struct(">qiibIhiqq")
_BEFORE_LENGTH = 12
_LOG_APPEND_TIME, _IS_CONTROL, _HAS_DELETE_HORIZON = 0x08, 0x20, 0x40


def read_first_times(
    client: KafkaClient, listing: ClusterListing, offsets: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """The timestamp, in ms since 1970, of the first record at or behind an offset of each partition.

    Of an offset within a batch it is the time of the batch's first record. Left out are partitions without
    such a record, whose record has no timestamp, that do not answer, or whose batch passes the bounds above;
    and those whose batch went through compaction with tombstones: its header has another time (KIP-534).
    """
    times: dict[TopicPartition, int | None] = {}
    for max_bytes, at_once in ((FIRST_BYTES, FIRST_AT_ONCE), (SECOND_BYTES, SECOND_AT_ONCE)):
        missing = {partition: offset for partition, offset in offsets.items() if partition not in times}
        waiting = _by_broker(listing, missing)
        for _ in range(MOST_REQUESTS):
            asked = {node_id: partitions[:at_once] for node_id, partitions in waiting.items() if partitions}
            if not asked:
                break
            waiting = {node_id: partitions[at_once:] for node_id, partitions in waiting.items()}
            answers = client.ask_each(
                {
                    node_id: _request(client, listing, some, missing, max_bytes)
                    for node_id, some in asked.items()
                }
            )
            for node_id, answer in answers.items():
                if not isinstance(answer, Exception):
                    times.update(_times(answer, listing, asked[node_id], missing))
    return {partition: time_ms for partition, time_ms in times.items() if time_ms is not None}


def first_time(records: bytes | memoryview, offset: int) -> tuple[bool, int | None]:
    """Of the first batch that holds `offset` or what comes behind it: whether there is one, and its time.

    Markers of transactions are passed over where something follows them.
    """
    found: tuple[bool, int | None] = (False, None)
    at = 0
    while at + _HEADER.size <= len(records):
        base_offset, length, _, magic, _, attributes, last_delta, base_ms, max_ms = _HEADER.unpack_from(
            records, at
        )
        if magic != 2 or length <= 0:
            break
        at += _BEFORE_LENGTH + length
        if base_offset + last_delta < offset:
            continue
        time_ms = max_ms if attributes & _LOG_APPEND_TIME else base_ms
        is_told = time_ms >= 0 and not attributes & _HAS_DELETE_HORIZON
        found = True, time_ms if is_told else None
        if not attributes & _IS_CONTROL:
            break
    return found


def _by_broker(
    listing: ClusterListing, partitions: Iterable[TopicPartition]
) -> dict[int | None, list[TopicPartition]]:
    by_broker: defaultdict[int | None, list[TopicPartition]] = defaultdict(list)
    for partition in sorted(partitions):
        leader = listing.leader_of(partition)
        if leader is not None and leader.node_id >= 0:
            by_broker[leader.node_id].append(partition)
    return dict(by_broker)


def _request(
    client: KafkaClient,
    listing: ClusterListing,
    partitions: Sequence[TopicPartition],
    offsets: Mapping[TopicPartition, int],
    max_bytes: int,
) -> Any:
    topic_type = FetchRequest.FetchTopic
    by_topic: defaultdict[str, list[Any]] = defaultdict(list)
    for partition in partitions:
        by_topic[partition.topic].append(
            topic_type.FetchPartition(
                partition=partition.partition,
                current_leader_epoch=-1,
                fetch_offset=offsets[partition],
                last_fetched_epoch=-1,
                log_start_offset=-1,
                partition_max_bytes=max_bytes,
            )
        )
    return FetchRequest(
        min_version=FIRST_VERSION_BY_TOPIC_ID,
        replica_id=-1,
        max_wait_ms=0,
        min_bytes=1,
        max_bytes=max_bytes * len(partitions),
        isolation_level=READ_UNCOMMITTED,  # what an open transaction holds back is not loaded either
        session_id=0,
        session_epoch=-1,
        topics=[
            topic_type(topic=name, topic_id=parse_topic_id(listing.topics[name].topic_id), partitions=each)
            for name, each in by_topic.items()
        ],
        forgotten_topics_data=[],
        rack_id=client.settings.client_rack,
    )


def _times(
    answer: Any,
    listing: ClusterListing,
    asked: Sequence[TopicPartition],
    offsets: Mapping[TopicPartition, int],
) -> Iterator[tuple[TopicPartition, int | None]]:
    names = {parse_topic_id(listing.topics[each.topic].topic_id): each.topic for each in asked}
    for topic in answer.responses:
        name = names.get(topic.topic_id)
        for brought in topic.partitions if name is not None else ():
            partition = TopicPartition(name or "", brought.partition_index)
            if brought.error_code or partition not in offsets:
                continue
            is_there, time_ms = first_time(brought.records or b"", offsets[partition])
            if is_there:
                yield partition, time_ms
