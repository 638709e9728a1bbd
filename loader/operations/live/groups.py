"""Consumer groups as they are now: their members, how far each has come, how far behind it is. Reads only.

The lag is counted to the high watermark, as Kafka's own tools do; records may be fewer than offsets.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from loader.errors import ConfigError
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.groups import (
    CLASSIC,
    CONSUMER,
    DescribedGroup,
    GroupAnswers,
    ListedGroup,
    Member,
    describe_groups,
    list_groups,
    read_positions,
)
from loader.kafka_source.metadata import ClusterListing, read_listing
from loader.kafka_source.settings import KafkaSettings
from loader.kafka_source.watermarks import read_bounds
from loader.operations.live.name_patterns import did_you_mean, no_match, whole_match
from loader.operations.live.topics import few, leader_deadline_s, patient
from loader.planning.bounds import PartitionBounds, TopicBounds
from loader.values import TopicPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPosition:
    """Where a group stands in one partition.

    next_offset  the next to read, as it was committed; None where nothing was, or it is unknown
    bounds       None where they are unknown; `problem` says why
    member       to whom the partition is assigned; None when to nobody
    """

    partition: TopicPartition
    next_offset: int | None
    bounds: PartitionBounds | None
    member: Member | None = None
    problem: str = ""

    @property
    def lag(self) -> int | None:
        """How many offsets there are from the position to the high watermark; None where unknown."""
        if self.next_offset is None or self.bounds is None:
            return None
        return max(self.bounds.high_watermark - self.next_offset, 0)

    @property
    def lost(self) -> int:
        """How many offsets behind the position Kafka has deleted already."""
        if self.next_offset is None or self.bounds is None:
            return 0
        return max(self.bounds.log_start_offset - self.next_offset, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """One group.

    assignor   "" where there is none, or it is unknown
    members    None where they are unknown
    positions  of all partitions with a committed offset or a member; None where they are unknown
    """

    name: str
    kind: str
    state: str
    protocol_type: str
    assignor: str
    coordinator_id: int
    members: tuple[Member, ...] | None
    positions: tuple[GroupPosition, ...] | None

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics it has read or reads."""
        return tuple(sorted({each.partition.topic for each in self.positions or ()}))

    @property
    def lag(self) -> int | None:
        """Of all partitions whose position is known; None where that is none."""
        known = [each.lag for each in self.positions or () if each.lag is not None]
        return sum(known) if known else None

    @property
    def without_lag(self) -> int:
        """How many partitions count nothing in the lag, because their position or end is unknown."""
        return sum(each.lag is None for each in self.positions or ())

    @property
    def lost(self) -> int:
        """How many offsets Kafka has deleted before the group read them."""
        return sum(each.lost for each in self.positions or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsView:
    """What was seen of a cluster's groups.

    brokers     addresses, host:port, by node id
    notes       what this user may not see, and what kafka-python cannot ask
    unanswered  what got no answer, and why
    """

    cluster_id: str
    brokers: Mapping[int, str]
    groups: tuple[GroupView, ...]
    notes: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()


def look_at_groups(settings: KafkaSettings, pattern: str | None) -> GroupsView:
    """Look at the groups whose whole name matches a regular expression, or at all.

    Raises ConfigError for a pattern that is none or matches nothing, AccessDenied, BrokerUnavailable.
    """
    matches = whole_match(pattern)
    with KafkaClient(patient(settings)) as client:
        client.connect(client.settings.request_timeout_ms)
        client.read_metadata([])
        listed, away = list_groups(client)
        matched = [each for name, each in sorted(listed.items()) if matches(name)]
        if pattern is not None and not matched and not away:
            raise no_match(pattern, "group", listed)
        return _look(client, matched, away)


def look_at_group(settings: KafkaSettings, name: str) -> GroupsView:
    """Look at one group.

    Where a broker does not answer, no group may be in the view: it could be that broker's.

    Raises ConfigError for a group that is not there, AccessDenied, BrokerUnavailable.
    """
    with KafkaClient(patient(settings)) as client:
        client.connect(client.settings.request_timeout_ms)
        client.read_metadata([])
        listed, away = list_groups(client)
        if name not in listed and not away:
            raise ConfigError(
                [
                    f"{name}: the cluster has no such group, or none that this user may describe"
                    f"{did_you_mean(name, listed)}"
                ]
            )
        return _look(client, [listed[name]] if name in listed else [], away if name not in listed else {})


def _look(client: KafkaClient, listed: list[ListedGroup], away: Mapping[int, str]) -> GroupsView:
    described = describe_groups(client, listed)
    # A share group has no position of its own in a partition: its members take records one by one.
    committed = read_positions(client, [each for each in listed if each.kind != "share"])
    names = {partition.topic for each in committed.answered.values() for partition in each}
    names |= {
        partition.topic
        for group in described.answered.values()
        for member in group.members
        for partition in member.partitions or ()
    }
    listing = read_listing(client, names, ())
    bounds = read_bounds(client, listing, leader_deadline_s())
    return GroupsView(
        cluster_id=listing.cluster_id,
        brokers=client.brokers,
        groups=tuple(
            _group(
                each, described.answered.get(each.name), committed.answered.get(each.name), listing, bounds
            )
            for each in listed
        ),
        notes=tuple(_notes(listed, described, committed, listing)),
        unanswered=tuple(_unanswered(away, described, committed, bounds)),
    )


def _group(
    listed: ListedGroup,
    described: DescribedGroup | None,
    committed: Mapping[TopicPartition, int] | None,
    listing: ClusterListing,
    bounds: Mapping[str, TopicBounds],
) -> GroupView:
    members = described.members if described else None
    owners = {partition: member for member in members or () for partition in member.partitions or ()}
    positions = None
    if committed is not None:
        positions = tuple(
            _position(partition, committed.get(partition), owners.get(partition), listing, bounds)
            for partition in sorted({*committed, *owners})
        )
    return GroupView(
        name=listed.name,
        kind=listed.kind,
        state=described.state if described else listed.state,
        protocol_type=listed.protocol_type,
        assignor=described.assignor if described else "",
        coordinator_id=listed.coordinator_id,
        members=members,
        positions=positions,
    )


def _position(
    partition: TopicPartition,
    next_offset: int | None,
    member: Member | None,
    listing: ClusterListing,
    bounds: Mapping[str, TopicBounds],
) -> GroupPosition:
    topic = bounds.get(partition.topic)
    known = topic.partitions.get(partition.partition) if topic else None
    problem = ""
    if partition.topic in listing.denied:
        problem = "this user may not describe the topic"
    elif topic is None or (known is None and partition.partition not in topic.unlisted):
        problem = "not in the cluster any more"
    elif known is None:
        problem = f"no answer: {topic.unlisted[partition.partition]}"
    return GroupPosition(
        partition=partition, next_offset=next_offset, bounds=known, member=member, problem=problem
    )


def _notes(
    listed: Iterable[ListedGroup],
    described: GroupAnswers[DescribedGroup],
    committed: GroupAnswers[Mapping[TopicPartition, int]],
    listing: ClusterListing,
) -> Iterable[str]:
    kinds: dict[str, list[str]] = {}
    for group in listed:
        if group.kind not in (CLASSIC, CONSUMER):
            kinds.setdefault(group.kind, []).append(group.name)
    for kind, names in sorted(kinds.items()):
        lacking = "members and positions are" if kind == "share" else "members are"
        yield f"{few(names)}: {lacking} not shown: kafka-python cannot ask for those of {kind} groups"
    if denied := described.denied | committed.denied:
        yield f"{few(denied)}: unknown: this user may not describe them; that needs DESCRIBE on the group"
    if listing.denied:
        yield (
            f"the lag in {few(listing.denied)} is unknown: this user may not describe it; that needs DESCRIBE"
            " on the topic"
        )


def _unanswered(
    away: Mapping[int, str],
    described: GroupAnswers[DescribedGroup],
    committed: GroupAnswers[Mapping[TopicPartition, int]],
    bounds: Mapping[str, TopicBounds],
) -> Iterable[str]:
    for reason in away.values():
        yield f"the groups that one broker coordinates are missing: no answer: {reason}"
    by_reason: dict[str, set[str]] = {}
    for name, reason in (*described.unanswered.items(), *committed.unanswered.items()):
        by_reason.setdefault(reason, set()).add(name)
    for topic in bounds.values():
        for number, reason in topic.unlisted.items():
            by_reason.setdefault(reason, set()).add(str(topic.of(number)))
    yield from (f"{few(names)}: no answer: {reason}" for reason, names in by_reason.items())
