"""Consumer groups, as their coordinators know them: which there are, their members, their positions.

Each broker coordinates some groups and lists those, so no coordinator has to be looked for; after that every
broker gets one request for all of its groups. When a position was committed Kafka tells by no request.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from kafka import errors as kafka_errors
from kafka.protocol.admin.groups import DescribeGroupsRequest, ListGroupsRequest
from kafka.protocol.consumer.group import OffsetFetchRequest
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment

from loader.kafka_source.client import KafkaClient
from loader.kafka_source.connections import DENIED
from loader.kafka_source.messages import ConsumerGroupDescribeRequest
from loader.values import TopicPartition

Answer = TypeVar("Answer")

CLASSIC, CONSUMER = "classic", "consumer"
"""The kinds of groups whose members can be asked for; brokers also know `share` and `streams`."""

CONSUMER_PROTOCOL = "consumer"
"""The protocol type of classic groups whose assignments are partitions; Kafka Connect's, say, are not."""


@dataclass(frozen=True, slots=True)
class ListedGroup:
    """A group, as its coordinator lists it.

    kind           classic, consumer (KIP-848), share or streams
    protocol_type  of a classic group: consumer, connect, …; "" where offsets are committed without a group
    """

    name: str
    coordinator_id: int
    kind: str
    state: str
    protocol_type: str


@dataclass(frozen=True, slots=True)
class Member:
    """A consumer in a group.

    instance_id  None unless the member is static (group.instance.id)
    partitions   assigned to it, sorted; None where the assignment is of another kind
    """

    member_id: str
    instance_id: str | None
    client_id: str
    host: str
    partitions: tuple[TopicPartition, ...] | None


@dataclass(frozen=True, slots=True)
class DescribedGroup:
    """A group's state, its assignor, and its members, sorted by client and member id."""

    state: str
    assignor: str
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class GroupAnswers(Generic[Answer]):
    """What coordinators said; every group that was asked for is in one of the three."""

    answered: dict[str, Answer] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    unanswered: dict[str, str] = field(default_factory=dict)


def list_groups(client: KafkaClient) -> tuple[dict[str, ListedGroup], dict[int, str]]:
    """The groups that this user may describe, by name, and the brokers that did not list theirs, and why.

    A broker that does not answer is perhaps still in the metadata after its groups have gone to another.
    """
    groups: dict[str, ListedGroup] = {}
    unanswered: dict[int, str] = {}
    answers = client.ask_each({node_id: ListGroupsRequest() for node_id in client.brokers})
    for node_id in client.brokers:
        answer = answers[node_id]
        error = answer if isinstance(answer, Exception) else kafka_errors.for_code(answer.error_code)()
        if isinstance(error, DENIED):
            raise client.denied(error)
        if not isinstance(error, kafka_errors.NoError):
            unanswered[node_id] = f"{client.address_of(node_id)}: {error!r}"
            continue
        for each in answer.groups:
            # Before Kafka 3.8 brokers name no type: there is one.
            kind = (each.group_type or CLASSIC).lower()
            groups[each.group_id] = ListedGroup(
                each.group_id, node_id, kind, each.group_state, each.protocol_type
            )
    return groups, unanswered


def describe_groups(client: KafkaClient, groups: Iterable[ListedGroup]) -> GroupAnswers[DescribedGroup]:
    """The members of groups of the kinds classic and consumer; others are left out of the answer."""
    by_kind: defaultdict[str, list[ListedGroup]] = defaultdict(list)
    for group in groups:
        by_kind[group.kind].append(group)
    result: GroupAnswers[DescribedGroup] = GroupAnswers()
    _ask_coordinators(
        client,
        by_kind[CLASSIC],
        lambda names: DescribeGroupsRequest(groups=names, include_authorized_operations=False),
        lambda response: ((each.group_id, each.error_code, _classic(each)) for each in response.groups),
        result,
    )
    _ask_coordinators(
        client,
        by_kind[CONSUMER],
        lambda names: ConsumerGroupDescribeRequest(group_ids=names, include_authorized_operations=False),
        lambda response: ((each.group_id, each.error_code, _consumer(each)) for each in response.groups),
        result,
    )
    return result


def read_positions(
    client: KafkaClient, groups: Iterable[ListedGroup]
) -> GroupAnswers[Mapping[TopicPartition, int]]:
    """The next offset that each group committed, by partition: all of its topics, also those not read now."""
    result: GroupAnswers[Mapping[TopicPartition, int]] = GroupAnswers()
    group_type = OffsetFetchRequest.OffsetFetchRequestGroup
    _ask_coordinators(
        client,
        groups,
        lambda names: OffsetFetchRequest(
            # Version 8 asks for several groups at once, version 10 would answer without the topics' names.
            groups=[group_type(group_id=name, topics=None) for name in names],
            min_version=8,
            max_version=9,
        ),
        lambda response: ((each.group_id, each.error_code, _positions(each)) for each in response.groups),
        result,
    )
    return result


def _ask_coordinators(
    client: KafkaClient,
    groups: Iterable[ListedGroup],
    make_request: Callable[[list[str]], Any],
    read_response: Callable[[Any], Iterator[tuple[str, int, Answer]]],
    result: GroupAnswers[Answer],
) -> None:
    """Send each coordinator one request for its groups, and gather (group, error code, answer)."""
    by_node: defaultdict[int, list[str]] = defaultdict(list)
    for group in groups:
        by_node[group.coordinator_id].append(group.name)
    answers = client.ask_each({node_id: make_request(names) for node_id, names in by_node.items()})
    for node_id, names in by_node.items():
        answer = answers[node_id]
        if isinstance(answer, DENIED):
            result.denied.update(names)
            continue
        if isinstance(answer, Exception):
            result.unanswered.update(dict.fromkeys(names, f"{client.address_of(node_id)}: {answer!r}"))
            continue
        result.unanswered.update(dict.fromkeys(names, f"{client.address_of(node_id)}: not in its answer"))
        for name, code, value in read_response(answer):
            del result.unanswered[name]
            error = kafka_errors.for_code(code)
            if error is kafka_errors.NoError:
                result.answered[name] = value
            elif issubclass(error, kafka_errors.AuthorizationError):
                result.denied.add(name)
            else:
                result.unanswered[name] = f"{client.address_of(node_id)}: {error.__name__}"


def _classic(group: Any) -> DescribedGroup:
    is_consumer = group.protocol_type == CONSUMER_PROTOCOL
    return _described(
        group.group_state,
        group.protocol_data,
        (
            Member(
                each.member_id,
                each.group_instance_id,
                each.client_id,
                each.client_host.lstrip("/"),
                _assignment(each.member_assignment) if is_consumer else None,
            )
            for each in group.members
        ),
    )


def _consumer(group: Any) -> DescribedGroup:
    return _described(
        group.group_state,
        group.assignor_name,
        (
            Member(
                each.member_id,
                each.instance_id,
                each.client_id,
                each.client_host.lstrip("/"),
                _partitions(
                    (given.topic_name, given.partitions) for given in each.assignment.topic_partitions
                ),
            )
            for each in group.members
        ),
    )


def _described(state: str, assignor: str, members: Iterable[Member]) -> DescribedGroup:
    return DescribedGroup(
        state, assignor, tuple(sorted(members, key=lambda each: (each.client_id, each.member_id)))
    )


def _assignment(data: bytes) -> tuple[TopicPartition, ...] | None:
    """The partitions in what a classic group's leader gave a member; None where that cannot be read."""
    if not data:
        return ()  # while the group is rebalancing
    try:
        assigned = ConsumerProtocolAssignment.decode(bytes(data)).assigned_partitions
        return _partitions((each.topic, each.partitions) for each in assigned)
    except Exception:  # a client wrote these bytes, not the broker: they can be anything
        return None


def _partitions(named: Iterable[tuple[str, Iterable[int]]]) -> tuple[TopicPartition, ...]:
    return tuple(sorted(TopicPartition(topic, number) for topic, numbers in named for number in numbers))


def _positions(group: Any) -> Mapping[TopicPartition, int]:
    return {
        TopicPartition(topic.name, each.partition_index): each.committed_offset
        for topic in group.topics
        for each in topic.partitions
        if not each.error_code and each.committed_offset >= 0
    }
