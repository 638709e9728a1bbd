"""Fetch requests by topic id, and what their responses say of one partition."""

from collections.abc import Sequence
from typing import Any

from kafka.protocol.consumer.fetch import FetchRequest

from loader.kafka_source.metadata import parse_topic_id
from loader.kafka_source.settings import KafkaSettings
from loader.values import AbortedTransaction, FetchedRecords, OffsetRange

FIRST_VERSION_BY_TOPIC_ID = 13
"""Of Fetch: asks by topic id, so that a recreated topic cannot answer (KIP-516)."""

READ_UNCOMMITTED, READ_COMMITTED = 0, 1
"""As Fetch spells the isolation level (KIP-98)."""


def fetch_request(
    ranges: Sequence[OffsetRange], topic_id: str, settings: KafkaSettings, *, first_batch_only: bool = False
) -> Any:
    """Ask for the beginnings of ranges of one topic, each of another partition.

    A broker fills its answer in the order of the request, up to `fetch_max_bytes` in all (KIP-74): what
    finds no room comes empty.

    first_batch_only  also when it belongs to an open or aborted transaction
    """
    max_bytes = 1 if first_batch_only else settings.fetch_max_bytes  # the first is sent whole (KIP-74)
    topic_type = FetchRequest.FetchTopic
    partitions = [
        topic_type.FetchPartition(
            partition=each.partition,
            current_leader_epoch=-1,
            fetch_offset=each.start_offset,
            last_fetched_epoch=-1,
            log_start_offset=-1,
            partition_max_bytes=max_bytes,
        )
        for each in ranges
    ]
    return FetchRequest(
        min_version=FIRST_VERSION_BY_TOPIC_ID,
        replica_id=-1,
        max_wait_ms=settings.fetch_max_wait_ms,
        min_bytes=1,
        max_bytes=max_bytes,
        isolation_level=READ_UNCOMMITTED if first_batch_only else settings.isolation_level,
        session_id=0,
        session_epoch=-1,
        topics=[topic_type(topic=ranges[0].topic, topic_id=parse_topic_id(topic_id), partitions=partitions)],
        forgotten_topics_data=[],
        rack_id=settings.client_rack,
    )


def fetched_records(wanted: OffsetRange, answer: Any, node_id: int) -> FetchedRecords:
    """What a response without an error brought of one range."""
    return FetchedRecords(
        topic=wanted.topic,
        partition=wanted.partition,
        fetch_offset=wanted.start_offset,
        records=answer.records or b"",
        high_watermark=answer.high_watermark,
        last_stable_offset=answer.last_stable_offset,
        log_start_offset=answer.log_start_offset,
        node_id=node_id,
        aborted_transactions=tuple(
            AbortedTransaction(aborted.first_offset, aborted.producer_id)
            for aborted in answer.aborted_transactions or ()
        ),
    )
