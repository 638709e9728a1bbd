"""`kafka-loader groups`: the consumer groups of a cluster as a list, and one group in full. Reads only."""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from loader.cli import process, text
from loader.errors import RunAgainLater
from loader.kafka_source.groups import Member
from loader.operations.live.groups import (
    GroupPosition,
    GroupsView,
    GroupView,
    look_at_group,
    look_at_groups,
)
from loader.operations.live.topics import few
from loader.values import TopicPartition

CLIENT_ID = "kafka-loader-groups"
UNKNOWN = "?"
NONE = "-"


def list_groups(pattern: str | None, config: Path | None, servers: str | None, as_json: bool) -> int:
    """Print the groups that a pattern matches, and return the exit status."""
    view = look_at_groups(process.read_kafka(config, servers, CLIENT_ID), pattern)
    if as_json:
        text.print_json(_document(view, [_group_document(each) for each in view.groups]))
        return _status(view)
    if view.groups:
        text.print_table(
            {
                "group": "left",
                "protocol": "left",
                "state": "left",
                "members": "right",
                "lag": "right",
                "topics": "left",
            },
            [
                [
                    text.printable(each.name),
                    _protocol(each),
                    each.state or UNKNOWN,
                    UNKNOWN if each.members is None else text.count(len(each.members)),
                    _lag(each),
                    few(each.topics) or (UNKNOWN if each.positions is None else NONE),
                ]
                for each in view.groups
            ],
        )
    text.say(f"{text.plural(len(view.groups), 'group')} in cluster {view.cluster_id}")
    _tell(view)
    return _status(view)


def show_group(name: str, config: Path | None, servers: str | None, as_json: bool) -> int:
    """Print one group in full, and return the exit status."""
    view = look_at_group(process.read_kafka(config, servers, CLIENT_ID), name)
    if as_json:
        documents = [
            _group_document(each)
            | {
                "members": None if each.members is None else [_member_document(of) for of in each.members],
                "positions": None
                if each.positions is None
                else [_position_document(of) for of in each.positions],
            }
            for each in view.groups
        ]
        text.print_json(_document(view, documents))
        return _status(view)
    for group in view.groups:
        _print_group(view, group)
    _tell(view)
    return _status(view)


def _print_group(view: GroupsView, group: GroupView) -> None:
    address = view.brokers.get(group.coordinator_id, UNKNOWN)
    text.say(
        f"group {text.printable(group.name)}, {group.state or 'of unknown state'}, of cluster"
        f" {view.cluster_id}, coordinated by broker {group.coordinator_id} ({address})"
    )
    members = "unknown members" if group.members is None else text.plural(len(group.members), "member")
    behind = "at an unknown position" if group.lag is None else f"{text.plural(group.lag, 'offset')} behind"
    if group.lag is not None and group.without_lag:
        behind += f", without {text.plural(group.without_lag, 'partition')} of unknown position or end"
    text.say(f"protocol {_protocol(group)}, {members}, {behind}")
    if group.members:
        text.say()
        text.print_table(
            {"client": "left", "host": "left", "partitions": "left", "member": "left"},
            [
                [
                    text.printable(each.client_id),
                    each.host,
                    UNKNOWN if each.partitions is None else compact(each.partitions) or NONE,
                    text.printable(each.instance_id or each.member_id),
                ]
                for each in group.members
            ],
        )
    if group.positions:
        text.say()
        text.print_table(
            {"partition": "left", "position": "right", "end": "right", "lag": "right", "client": "left"},
            [_position_row(each) for each in group.positions],
        )
    for position in group.positions or ():
        if position.lost:
            text.warn(
                f"{position.partition}: {text.plural(position.lost, 'offset')} deleted before the group read"
                f" them: the log begins at {position.bounds.log_start_offset if position.bounds else UNKNOWN}"
            )


def compact(partitions: Iterable[TopicPartition]) -> str:
    """Partitions in few words: flights 0-2 5, weather 0."""
    topics = groupby(sorted(partitions), lambda each: each.topic)
    return ", ".join(f"{topic} {' '.join(_runs(each.partition for each in of))}" for topic, of in topics)


def _runs(numbers: Iterable[int]) -> Iterable[str]:
    """Ascending numbers, neighbours as first-last."""
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        first, *rest = (number for _, number in run)
        yield f"{first}-{rest[-1]}" if rest else str(first)


def _status(view: GroupsView) -> int:
    return RunAgainLater.exit_status if view.unanswered else 0


def _tell(view: GroupsView) -> None:
    for line in (*view.notes, *view.unanswered):
        text.warn(text.printable(line))


def _protocol(group: GroupView) -> str:
    """As in: classic (range), consumer (uniform), which is KIP-848, classic (connect sessioned)."""
    other = "" if group.protocol_type in ("consumer", group.kind) else group.protocol_type
    detail = text.printable(" ".join(filter(None, (other, group.assignor))))
    return f"{group.kind} ({detail})" if detail else group.kind


def _lag(group: GroupView) -> str:
    if group.positions is None:
        return UNKNOWN
    if group.lag is None:
        return NONE
    is_more = any(each.next_offset is not None and each.lag is None for each in group.positions)
    return f"{'>=' if is_more else ''}{text.count(group.lag)}"


def _position_row(each: GroupPosition) -> list[str]:
    return [
        str(each.partition),
        NONE if each.next_offset is None else text.count(each.next_offset),
        UNKNOWN if each.bounds is None else text.count(each.bounds.high_watermark),
        NONE if each.next_offset is None else UNKNOWN if each.lag is None else text.count(each.lag),
        each.problem or (text.printable(each.member.client_id) if each.member else NONE),
    ]


def _document(view: GroupsView, groups: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "cluster_id": view.cluster_id,
        "groups": groups,
        "notes": list(view.notes),
        "unanswered": list(view.unanswered),
    }


def _group_document(group: GroupView) -> dict[str, Any]:
    return {
        "group": group.name,
        "kind": group.kind,
        "state": group.state,
        "protocol_type": group.protocol_type,
        "assignor": group.assignor or None,
        "coordinator_id": group.coordinator_id,
        "member_count": None if group.members is None else len(group.members),
        "topics": None if group.positions is None else list(group.topics),
        "lag_offsets": group.lag,
        "partitions_without_lag": None if group.positions is None else group.without_lag,
        "deleted_offsets": None if group.positions is None else group.lost,
    }


def _member_document(member: Member) -> dict[str, Any]:
    partitions = member.partitions
    return {
        "member_id": member.member_id,
        "instance_id": member.instance_id,
        "client_id": member.client_id,
        "host": member.host,
        "partitions": None
        if partitions is None
        else [{"topic": each.topic, "partition": each.partition} for each in partitions],
    }


def _position_document(each: GroupPosition) -> dict[str, Any]:
    return {
        "topic": each.partition.topic,
        "partition": each.partition.partition,
        "next_offset": each.next_offset,
        "begin_offset": None if each.bounds is None else each.bounds.log_start_offset,
        "end_offset": None if each.bounds is None else each.bounds.high_watermark,
        "lag_offsets": each.lag,
        "deleted_offsets": each.lost,
        "member_id": each.member.member_id if each.member else None,
        "problem": each.problem or None,
    }
