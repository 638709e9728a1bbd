"""Questions that only the leader of a partition can answer, asked of all leaders at once.

Leaders move. A partition whose broker answers that it does not lead it, or does not answer at all,
is asked again under fresh metadata until the deadline; what then has no answer is named with the
reason, and the rest is not held up by it.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from kafka import errors as kafka_errors

from loader.errors import AccessDenied, BrokerUnavailable
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.connections import DENIED
from loader.kafka_source.metadata import ClusterListing, read_listing
from loader.values import TopicPartition

Answer = TypeVar("Answer")

RETRY_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class LeaderAnswers(Generic[Answer]):
    """What the leaders said; every partition that was asked for is in one of the two."""

    answered: dict[TopicPartition, Answer] = field(default_factory=dict)
    unanswered: dict[TopicPartition, str] = field(default_factory=dict)


def ask_leaders(
    client: KafkaClient,
    listing: ClusterListing,
    partitions: Iterable[TopicPartition],
    make_request: Callable[[Sequence[TopicPartition]], Any],
    read_response: Callable[[Any], Iterator[tuple[TopicPartition, int, Answer]]],
    deadline_s: float,
) -> LeaderAnswers[Answer]:
    """Send each leader one request for its partitions, and gather (partition, error code, answer).

    deadline_s  on time.monotonic's clock

    Raises AccessDenied when a broker refuses this user.
    """
    result: LeaderAnswers[Answer] = LeaderAnswers()
    result.unanswered.update(dict.fromkeys(partitions, "not asked"))
    while True:
        for partition, error, answer in _ask_once(client, listing, result, make_request, read_response):
            if error is kafka_errors.NoError:
                del result.unanswered[partition]
                result.answered[partition] = answer
            elif error is kafka_errors.TopicAuthorizationFailedError:
                raise AccessDenied(
                    f"{partition}: this user may not describe the topic. Nothing was committed. Give it"
                    " DESCRIBE and READ on the topic."
                )
            else:
                result.unanswered[partition] = error.__name__
        if not result.unanswered or time.monotonic() >= deadline_s:
            return result
        time.sleep(RETRY_PAUSE_S)
        try:
            listing = read_listing(client, {partition.topic for partition in result.unanswered}, ())
        except BrokerUnavailable:
            continue


def _ask_once(
    client: KafkaClient,
    listing: ClusterListing,
    result: LeaderAnswers[Answer],
    make_request: Callable[[Sequence[TopicPartition]], Any],
    read_response: Callable[[Any], Iterator[tuple[TopicPartition, int, Answer]]],
) -> Iterator[tuple[TopicPartition, type[Exception], Answer]]:
    by_node: dict[int | None, list[TopicPartition]] = {}
    for partition in sorted(result.unanswered):
        leader = listing.leader_of(partition)
        if leader is None or leader.node_id < 0:
            result.unanswered[partition] = "no leader" if leader else "not in the metadata"
        else:
            by_node.setdefault(leader.node_id, []).append(partition)
    answers = client.ask_each({node_id: make_request(asked) for node_id, asked in by_node.items()})
    for node_id, answer in answers.items():
        if isinstance(answer, DENIED):
            raise client.denied(answer) from answer
        if isinstance(answer, Exception):
            result.unanswered.update(
                dict.fromkeys(by_node[node_id], f"{client.address_of(node_id)}: {answer!r}")
            )
        else:
            for partition, error_code, value in read_response(answer):
                yield partition, kafka_errors.for_code(error_code), value
