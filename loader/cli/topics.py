"""`kafka-loader topics`: what the cluster has, as a list, and one topic in full. Reads only."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from loader.cli import process, text
from loader.config.job import JobConfig
from loader.config.load import load_config
from loader.errors import RunAgainLater
from loader.kafka_source.topic_configs import ConfigValue
from loader.operations.live.topic_views import RATE_SECONDS, PartitionView, TopicsView, TopicView
from loader.operations.live.topics import look_at_topic, look_at_topics

CLIENT_ID = "kafka-loader-topics"
UNKNOWN = "?"
RATE_SPAN = f"the last {RATE_SECONDS // 60} min"
UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "min": 60_000, "s": 1000}


def list_topics(
    pattern: str | None, config: Path | None, servers: str | None, internal: bool, as_json: bool
) -> int:
    """Print the topics that a pattern matches, and return the exit status."""
    settings = process.read_kafka(config, servers, CLIENT_ID)
    job = _job(config)
    view = look_at_topics(settings, pattern, job, process.now_ms(), internal=internal)
    if as_json:
        text.print_json(_document(view))
        return _status(view)
    if view.topics:
        text.print_table(
            {
                "topic": "left",
                "partitions": "right",
                "begin": "right",
                "end": "right",
                "size": "right",
                "records/s": "right",
                "retention": "left",
                **({"in job": "left"} if job else {}),
            },
            [
                [
                    each.name,
                    f"{len(each.partitions)} x{each.replication}",
                    _sum((of.begin_offset for of in each.partitions), text.count),
                    _sum((of.end_offset for of in each.partitions), text.count),
                    _sum((of.size_bytes for of in each.partitions), text.size),
                    _sum((of.recent_count for of in each.partitions), _rate),
                    retention(each.config),
                    *(["yes" if each.in_job else ""] if job else ()),
                ]
                for each in view.topics
            ],
            spare=["begin"],
        )
    text.say(_summary(view, job))
    if view.absent_from_kafka and job:
        text.warn(f"job {job.job.name} names topics that are not there: {', '.join(view.absent_from_kafka)}")
    _tell(view)
    return _status(view)


def show_topic(name: str, config: Path | None, servers: str | None, as_json: bool) -> int:
    """Print one topic in full, and return the exit status."""
    settings = process.read_kafka(config, servers, CLIENT_ID)
    job = _job(config)
    view = look_at_topic(settings, name, job, process.now_ms())
    (topic,) = view.topics
    if as_json:
        text.print_json(_document(view) | {"topics": [_topic_document(topic) | {"config": _configs(topic)}]})
        return _status(view)
    text.say(f"topic {topic.name}, id {topic.topic_id}, of cluster {view.cluster_id}")
    text.say(
        f"{text.plural(len(topic.partitions), 'partition')}, replication {topic.replication},"
        f" {_sum((each.offset_count for each in topic.partitions), text.count)} offsets,"
        f" {_sum((each.size_bytes for each in topic.partitions), text.size)},"
        f" {_sum((each.recent_count for each in topic.partitions), _rate)} records/s over {RATE_SPAN}"
    )
    text.say(f"retention: {retention(topic.config)}")
    if job:
        text.say(f"job {job.job.name} {'loads it' if topic.in_job else 'does not load it'}")
    changed = {key: each for key, each in topic.config.items() if each.source != "default"}
    text.say()
    if changed:
        text.print_table(
            {"config that is set": "left", "value": "left", "by": "left"},
            [[key, _value(each), f"the {each.source}"] for key, each in sorted(changed.items())],
        )
    elif topic.config:
        text.say("config: Kafka's defaults")
    text.say()
    text.print_table(
        {
            "partition": "right",
            "leader": "right",
            "epoch": "right",
            "replicas": "left",
            "begin": "right",
            "end": "right",
            "stable": "right",
            "size": "right",
            "newest record": "left",
        },
        [_partition_row(each) for each in topic.partitions],
        # Where no transaction is open, the stable end tells nothing more than the end.
        spare=[
            "epoch",
            *(["stable"] if all(each.stable_offset == each.end_offset for each in topic.partitions) else []),
        ],
    )
    text.say()
    text.print_table(
        {"broker": "right", "address": "left", "leads": "right", "replicas": "right"},
        _broker_rows(view, topic),
    )
    _tell(view)
    return _status(view)


def retention(config: Mapping[str, ConfigValue]) -> str:
    """What a topic's config keeps: 7 d; 7 d or 1.0 GiB each; compacted; for ever; ? where it is unknown."""
    values = {key: each.value for key, each in config.items()}
    if "cleanup.policy" not in values:
        return UNKNOWN
    policies = (values["cleanup.policy"] or "").split(",")
    keeps_ms, keeps_bytes = (int(values.get(key) or -1) for key in ("retention.ms", "retention.bytes"))
    kept = ["compacted"] if "compact" in policies else []
    if "delete" in policies:
        bounds = [span(keeps_ms)] if keeps_ms >= 0 else []
        bounds += [f"{text.size(keeps_bytes)}/partition"] if keeps_bytes >= 0 else []
        kept.append(" or ".join(bounds) or "for ever")
    return ", ".join(kept) or "for ever"


def span(duration_ms: int) -> str:
    """A duration as people set it, exactly: 7 d, 36 h, 90 min, 1500 ms."""
    for unit, unit_ms in UNITS_MS.items():
        if duration_ms and duration_ms % unit_ms == 0:
            return f"{text.count(duration_ms // unit_ms)} {unit}"
    return f"{text.count(duration_ms)} ms"


def _job(config: Path | None) -> JobConfig | None:
    return None if config is None else load_config(config)


def _status(view: TopicsView) -> int:
    return RunAgainLater.exit_status if view.unanswered else 0


def _tell(view: TopicsView) -> None:
    for line in (*view.notes, *view.unanswered):
        text.warn(line)


def _summary(view: TopicsView, job: JobConfig | None) -> str:
    partitions = sum(len(each.partitions) for each in view.topics)
    loaded = f", {sum(bool(each.in_job) for each in view.topics)} in job {job.job.name}" if job else ""
    return (
        f"{text.plural(len(view.topics), 'topic')} with {text.plural(partitions, 'partition')} in cluster"
        f" {view.cluster_id}{loaded}; records/s over {RATE_SPAN}"
    )


def _sum(values: Iterable[int | None], shown: Callable[[int], str]) -> str:
    """The sum of what is known; >= says that there is more."""
    numbers = list(values)
    known = [each for each in numbers if each is not None]
    if numbers and not known:
        return UNKNOWN
    return f"{'>=' if len(known) < len(numbers) else ''}{shown(sum(known))}"


def _known(number: int | None) -> str:
    return UNKNOWN if number is None else text.count(number)


def _size(number: int | None) -> str:
    return UNKNOWN if number is None else text.size(number)


def _rate(recent_count: int) -> str:
    """Records per second, in three digits or more: 0.02, 12.5, 1,234."""
    records_per_s = recent_count / RATE_SECONDS
    if records_per_s >= 100 or records_per_s == 0:
        return f"{records_per_s:,.0f}"
    return f"{records_per_s:.2f}" if records_per_s < 10 else f"{records_per_s:.1f}"


def _value(config: ConfigValue) -> str:
    return "(hidden)" if config.value is None else text.printable(config.value)


def _partition_row(each: PartitionView) -> list[str]:
    newest = each.newest_timestamp_ms
    return [
        str(each.number),
        "none" if each.leader.node_id < 0 else str(each.leader.node_id),
        str(each.leader.epoch),
        _replicas(each),
        *map(_known, (each.begin_offset, each.end_offset, each.stable_offset)),
        _size(each.size_bytes),
        UNKNOWN if newest is None else "-" if newest < 0 else text.moment(newest),
    ]


def _replicas(each: PartitionView) -> str:
    """Node ids, with those marked whose copy is not complete: 1 2(behind) 3(offline)."""
    marks = {**dict.fromkeys(each.lagging, "(behind)"), **dict.fromkeys(each.replicas.offline, "(offline)")}
    return " ".join(f"{node_id}{marks.get(node_id, '')}" for node_id in each.replicas.node_ids)


def _broker_rows(view: TopicsView, topic: TopicView) -> Iterable[list[str]]:
    leads = Counter(each.leader.node_id for each in topic.partitions)
    holds = Counter(node_id for each in topic.partitions for node_id in each.replicas.node_ids)
    for node_id in sorted(holds):
        address = view.brokers.get(node_id, "not in the cluster now")
        yield [str(node_id), address, str(leads[node_id]), str(holds[node_id])]


def _document(view: TopicsView) -> dict[str, Any]:
    return {
        "cluster_id": view.cluster_id,
        "rate_seconds": RATE_SECONDS,
        "brokers": [
            {"node_id": node_id, "address": address} for node_id, address in sorted(view.brokers.items())
        ],
        "topics": [_topic_document(each) for each in view.topics],
        "absent_from_kafka": list(view.absent_from_kafka),
        "notes": list(view.notes),
        "unanswered": list(view.unanswered),
    }


def _topic_document(topic: TopicView) -> dict[str, Any]:
    config = {key: each.value for key, each in topic.config.items()}
    return {
        "topic": topic.name,
        "topic_id": topic.topic_id,
        "is_internal": topic.is_internal,
        "in_job": topic.in_job,
        "partition_count": len(topic.partitions),
        "replication": topic.replication,
        "begin_offset": topic.begin_offset,
        "end_offset": topic.end_offset,
        "offset_count": topic.offset_count,
        "size_bytes": topic.size_bytes,
        "records_per_s": topic.records_per_s,
        "cleanup_policy": config.get("cleanup.policy"),
        "retention_ms": _number(config.get("retention.ms")),
        "retention_bytes": _number(config.get("retention.bytes")),
        "partitions": [_partition_document(each) for each in topic.partitions],
    }


def _number(value: str | None) -> int | None:
    return None if value is None else int(value)


def _time(timestamp_ms: int | None) -> int | None:
    return None if timestamp_ms is None or timestamp_ms < 0 else timestamp_ms


def _partition_document(each: PartitionView) -> dict[str, Any]:
    return {
        "partition": each.number,
        "leader_id": each.leader.node_id if each.leader.node_id >= 0 else None,
        "leader_epoch": each.leader.epoch,
        "replicas": list(each.replicas.node_ids),
        "in_sync_replicas": list(each.replicas.in_sync),
        "offline_replicas": list(each.replicas.offline),
        "begin_offset": each.begin_offset,
        "end_offset": each.end_offset,
        "last_stable_offset": each.stable_offset,
        "size_bytes": each.size_bytes,
        "recent_offset_count": each.recent_count,
        "newest_timestamp_ms": _time(each.newest_timestamp_ms),
        "problem": each.problem or None,
    }


def _configs(topic: TopicView) -> dict[str, Any]:
    return {key: {"value": each.value, "source": each.source} for key, each in sorted(topic.config.items())}
