"""Which topics there are, who they are, where they begin and end: as Kafka's other clients see it."""

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.errors import UnknownTopicOrPartitionError

from loader.errors import BrokerUnavailable, ConfigError
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.epochs import read_epoch_ends
from loader.kafka_source.leaders import RETRY_PAUSE_S
from loader.kafka_source.log_sizes import read_log_sizes
from loader.kafka_source.metadata import ClusterListing, format_topic_id, parse_topic_id, read_listing
from loader.kafka_source.watermarks import read_bounds, read_offsets_for_time
from loader.values import TopicPartition
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction
from tests.end_to_end.producing import Ends, Message, messages, produce, transactional_producer, wait_for_ends

from .asking import bounds_of, delete_records, soon


@given(st.uuids())
def test_a_topic_id_comes_back_from_its_text(topic_id: uuid.UUID) -> None:
    text = format_topic_id(topic_id)

    assert parse_topic_id(text) == topic_id
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", text)


def test_a_topic_id_reads_as_kafkas_own_tools_print_it(
    kafka: KafkaCluster, client: KafkaClient, new_topic: NewTopicFunction
) -> None:
    topic = new_topic(partitions=2)

    listing = read_listing(client, [topic], ())

    described, _ = kafka.run_tool("org.apache.kafka.tools.TopicCommand", "--describe", "--topic", topic)
    assert f"TopicId: {listing.topics[topic].topic_id}" in re.sub(r"\s+", " ", described.decode())
    assert listing.cluster_id == kafka.cluster_id
    assert sorted(listing.topics[topic].leaders) == [0, 1]


def test_a_topic_that_is_not_there_is_missing_and_the_others_are_listed(
    client: KafkaClient, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()

    listing = read_listing(client, [topic, "no-such-topic"], ())

    assert listing.missing == {"no-such-topic"}
    assert list(listing.topics) == [topic]


def test_a_name_that_no_topic_can_have_is_the_configs_mistake(client: KafkaClient) -> None:
    with pytest.raises(ConfigError, match="'a b' cannot be the name of a Kafka topic"):
        read_listing(client, ["a b"], ())


def test_a_pattern_matches_whole_names_and_no_internal_topic(
    kafka: KafkaCluster, client: KafkaClient, new_topic: NewTopicFunction
) -> None:
    producer = transactional_producer(kafka, "makes-the-internal-topic")  # __transaction_state
    del producer
    inside = new_topic("pattern-a-1")
    new_topic("not-pattern-a-1")
    new_topic("pattern-a-1-not")

    assert list(read_listing(client, (), [r"pattern-a-\d"]).topics) == [inside]
    everything = read_listing(client, (), [".*"])
    assert inside in everything.topics
    assert not [name for name in everything.topics if name.startswith("__")]
    assert "__transaction_state" in read_listing(client, ["__transaction_state"], [".*"]).topics


def test_an_answer_without_brokers_is_not_believed(
    client: KafkaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    response = client.read_metadata([])
    response.brokers = []
    monkeypatch.setattr(client, "read_metadata", lambda _: response)

    with pytest.raises(BrokerUnavailable, match=r"answered with no brokers.*Nothing was read.*Run again"):
        read_listing(client, ["orders"], ())


def test_a_topic_that_one_broker_does_not_know_is_not_missing_as_long_as_another_does(
    client: KafkaClient, new_topic: NewTopicFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = new_topic()
    stale = client.read_metadata([topic, "no-such-topic"])
    for each in stale.topics:
        each.error_code = UnknownTopicOrPartitionError.errno
    monkeypatch.setattr(client, "read_metadata", lambda _: stale)

    listing = read_listing(client, [topic, "no-such-topic"], ())

    assert list(listing.topics) == [topic]
    assert listing.topics[topic].leaders[0].node_id == 1
    assert listing.missing == {"no-such-topic"}


def test_bounds_tell_the_stable_end_from_the_high_watermark(
    kafka: KafkaCluster, client: KafkaClient, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(5))
    producer = transactional_producer(kafka, "open-transaction")
    producer.begin_transaction()
    producer.produce(topic, b"not yet")
    producer.flush(30)

    open_bounds = bounds_of(client, topic)
    producer.abort_transaction(30)
    wait_for_ends(kafka, topic, Ends(7, 7))
    ended_bounds = bounds_of(client, topic)

    assert (open_bounds.log_start_offset, open_bounds.last_stable_offset, open_bounds.high_watermark) == (
        0,
        5,
        6,
    )
    assert (ended_bounds.last_stable_offset, ended_bounds.high_watermark) == (7, 7)
    assert (open_bounds.leader_id, open_bounds.leader_epoch) == (1, 0)


def test_bounds_of_an_empty_and_of_a_cut_log(
    kafka: KafkaCluster, client: KafkaClient, new_topic: NewTopicFunction
) -> None:
    topic = new_topic(partitions=2)
    produce(kafka, topic, messages(10))
    delete_records(kafka, topic, 4)

    cut_bounds, empty_bounds = bounds_of(client, topic, 0), bounds_of(client, topic, 1)

    assert (cut_bounds.log_start_offset, cut_bounds.high_watermark) == (4, 10)
    assert (empty_bounds.log_start_offset, empty_bounds.high_watermark) == (0, 0)


def test_a_time_gives_the_first_offset_at_or_after_it(
    kafka: KafkaCluster, client: KafkaClient, new_topic: NewTopicFunction
) -> None:
    topic = new_topic(partitions=2)
    produce(kafka, topic, [Message(timestamp_ms=1_000 * number) for number in (10, 30, 20, 40)])
    listing = read_listing(client, [topic], ())
    first, empty = TopicPartition(topic, 0), TopicPartition(topic, 1)

    def offset_at(timestamp_ms: int) -> int:
        return read_offsets_for_time(client, listing, {first: timestamp_ms}, soon()).answered[first]

    assert [offset_at(ms) for ms in (0, 10_000, 10_001, 30_000, 30_001, 40_001)] == [0, 0, 1, 1, 3, -1]
    both = read_offsets_for_time(client, listing, {first: 40_000, empty: 0}, soon())
    assert both.answered == {first: 3, empty: -1}


def test_an_epoch_ends_where_the_log_does_or_is_unknown(
    kafka: KafkaCluster, client: KafkaClient, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(5))
    listing = read_listing(client, [topic], ())
    partition = TopicPartition(topic, 0)

    assert read_epoch_ends(client, listing, {partition: 0}, soon()).answered == {partition: 5}
    assert read_epoch_ends(client, listing, {partition: 7}, soon()).answered == {partition: -1}


def test_the_size_of_a_log_is_that_of_its_batches(
    kafka: KafkaCluster, client: KafkaClient, new_topic: NewTopicFunction
) -> None:
    topic = new_topic(partitions=2)
    produce(kafka, topic, [Message(b"x" * 100_000)])

    sizes = read_log_sizes(client, read_listing(client, [topic], ()))

    assert 100_000 < sizes[TopicPartition(topic, 0)] < 101_000
    assert sizes[TopicPartition(topic, 1)] == 0


def test_a_partition_that_gives_no_answer_is_named_with_its_reason_and_holds_up_no_other(
    client: KafkaClient, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    listing = read_listing(client, [topic], ())
    gone = TopicPartition(topic, 9)

    answers = read_offsets_for_time(
        client, listing, {TopicPartition(topic, 0): 0, gone: 0}, soon(RETRY_PAUSE_S / 2)
    )

    assert answers.answered == {TopicPartition(topic, 0): -1}
    assert answers.unanswered == {gone: "not in the metadata"}


def test_a_leader_that_moved_is_asked_under_fresh_metadata(
    client: KafkaClient, new_topic: NewTopicFunction
) -> None:
    from dataclasses import replace

    from loader.kafka_source.metadata import Leader

    topic = new_topic()
    listing = read_listing(client, [topic], ())
    stale = replace(listing.topics[topic], leaders={0: Leader(99, 0)})

    bounds = read_bounds(client, ClusterListing(listing.cluster_id, {topic: stale}), soon())

    assert bounds[topic].partitions[0].high_watermark == 0
    assert not bounds[topic].unlisted
