"""What a monitoring system is told of a job: named measurements, from the ledger and the brokers.

Names and units follow Prometheus' conventions: base units, the unit at the end, `_total` for what only
grows. The job is the label `loader_job`, since `job` is Prometheus' own and says who was scraped.

A ledger or brokers that cannot be read are measured as well (`kafka_loader_up`), and what the other of the
two says is told all the same: monitoring must not fall silent when something is wrong.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import loader
from loader.commits.record import Commit
from loader.errors import LoaderError, gravest_exit_status
from loader.operations.job import Job
from loader.operations.plan import read_ledger
from loader.operations.watch.outlook import Outlook, look_ahead
from loader.operations.watch.totals import Totals, count_commits
from loader.values import TopicPartition


@dataclass(frozen=True, slots=True)
class Metric:
    """One measurement, with a value for each set of labels; `loader_job` is in all of them."""

    name: str
    kind: Literal["gauge", "counter"]
    meaning: str
    label_names: tuple[str, ...]
    values: Sequence[tuple[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True)
class JobMetrics:
    """All measurements of a job at one moment.

    metrics  those that could be made
    errors   why others could not
    totals   what the next count goes on from
    """

    job: str
    metrics: tuple[Metric, ...]
    errors: tuple[LoaderError, ...] = ()
    totals: Totals | None = None

    @property
    def exit_status(self) -> int:
        """0, or the gravest of what could not be read."""
        return gravest_exit_status(self.errors, some_unanswered=False)


def measure(
    job: Job, known: Totals | None, now_ms: Callable[[], int], *, by_partition: bool = False
) -> JobMetrics:
    """Measure a job now. Raises nothing that the ledger or the brokers can do: that is in `errors`.

    known         the totals of the last measurement, where they are kept
    by_partition  a series for each partition, instead of sums for each topic
    """
    errors: list[LoaderError] = []
    newest, totals = None, None
    try:
        newest = read_ledger(job)
        totals = count_commits(job, newest, known) if newest else None
    except LoaderError as error:
        errors.append(error)
    ledger_is_read = not errors
    outlook = None
    if ledger_is_read:
        try:
            outlook = look_ahead(job, newest, 1, now_ms)
        except LoaderError as error:
            errors.append(error)
    up = [(("ledger",), float(ledger_is_read))]
    if ledger_is_read:
        up.append((("kafka",), float(outlook is not None)))
    metrics = [
        _gauge("up", "Whether the ledger, and what the next run would load, could be read.", ["source"], up),
        _gauge("build_info", "The program that measured.", ["version"], [((loader.__version__,), 1.0)]),
    ]
    labels = ("topic", "partition") if by_partition else ("topic",)
    if newest is not None:
        metrics += _of_commit(newest, labels)
    if totals is not None:
        metrics += _of_totals(totals)
    if outlook is not None:
        metrics += _of_outlook(outlook, labels)
    return JobMetrics(job.name, tuple(metrics), tuple(errors), totals)


def _of_commit(newest: Commit, labels: tuple[str, ...]) -> Iterable[Metric]:
    none = ((), newest.committed_at_ms / 1000)
    yield _gauge("ledger_info", "The ledger that was read.", ["ledger_id"], [((newest.job_id,), 1.0)])
    yield _gauge("commit_version", "Number of the newest commit.", [], [((), float(newest.version))])
    yield _gauge("last_commit_timestamp_seconds", "When the newest commit was made.", [], [none])
    if newest.started_at_ms is not None:
        seconds = (newest.committed_at_ms - newest.started_at_ms) / 1000
        meaning = "How long the newest commit's run took, from its begin to the commit."
        yield _gauge("last_commit_duration_seconds", meaning, [], [((), seconds)])
    meaning = (
        "The next offset to load. Of a topic: the sum over its partitions, so its rate is offsets loaded."
    )
    yield _gauge(
        "position_offset",
        meaning,
        labels,
        _summed(((partition, place.next_offset) for partition, place in newest.position), labels),
    )


def _of_totals(totals: Totals) -> Iterable[Metric]:
    topics = sorted(totals.topics.items())
    told: list[tuple[str, str, list[float]]] = [
        ("rows_total", "Rows committed.", [float(each.row_count) for _, each in topics]),
        (
            "quarantined_records_total",
            "Records that could not be decoded, kept in the quarantine.",
            [float(each.quarantined_count) for _, each in topics],
        ),
        (
            "lost_records_total",
            "Offsets recorded as lost, as --accept-loss allowed.",
            [float(each.lost_count) for _, each in topics],
        ),
        (
            "written_bytes_total",
            "Bytes of the files committed.",
            [float(each.size_bytes) for _, each in topics],
        ),
    ]
    for name, meaning, values in told:
        named = [((topic,), value) for (topic, _), value in zip(topics, values, strict=True)]
        yield Metric(f"kafka_loader_{name}", "counter", meaning, ("topic",), named)


def _of_outlook(outlook: Outlook, labels: tuple[str, ...]) -> Iterable[Metric]:
    parts = outlook.partitions
    yield _gauge(
        "lag_records",
        "Offsets that can be loaded and are not; transaction markers and compacted records count, too.",
        labels,
        _summed(((each.wanted.topic_partition, each.lag_offsets) for each in parts), labels),
    )
    yield _gauge(
        "lag_bytes",
        "The same in bytes of Kafka's log, as compressed there; an estimate.",
        labels,
        _summed(((each.wanted.topic_partition, each.lag_bytes) for each in parts), labels),
    )
    yield _gauge(
        "lag_seconds",
        "Age of the oldest record that is not loaded, by its timestamp; 0 where all is.",
        labels,
        _most(((each.wanted.topic_partition, each.lag_ms) for each in parts), labels, max),
    )
    yield _gauge(
        "retention_left_seconds",
        "Until Kafka may delete the oldest record that is not loaded; none where it will not.",
        labels,
        _most(((each.wanted.topic_partition, each.deleted_in_ms) for each in parts), labels, min),
    )
    yield _gauge(
        "complete_timestamp_seconds",
        "Up to which time all records are loaded; see kafka-loader complete.",
        labels,
        _most(((each.wanted.topic_partition, each.complete_up_to_ms) for each in parts), labels, min),
    )
    failures = outlook.plan.failures
    topics = sorted({each.wanted.topic for each in parts} | failures.keys())
    yield _gauge(
        "topic_loadable",
        "0 where a run would stop at the topic until somebody acts; kafka-loader plan says why.",
        ["topic"],
        [((topic,), float(topic not in failures)) for topic in topics],
    )
    meaning = "Partitions that gave no answer this time; they keep their position."
    yield _gauge("unanswered_partitions", meaning, [], [((), float(len(outlook.plan.unlisted)))])


def _gauge(
    name: str, meaning: str, labels: Sequence[str], values: Sequence[tuple[tuple[str, ...], float]]
) -> Metric:
    return Metric(f"kafka_loader_{name}", "gauge", meaning, tuple(labels), values)


def _summed(
    values: Iterable[tuple[TopicPartition, int]], labels: tuple[str, ...]
) -> list[tuple[tuple[str, ...], float]]:
    """By topic, or by topic and partition, in order."""
    sums: defaultdict[TopicPartition, int] = defaultdict(int)
    for partition, value in values:
        key = partition if "partition" in labels else TopicPartition(partition.topic, 0)
        sums[key] += value
    return [
        ((key.topic, str(key.partition))[: len(labels)], float(value)) for key, value in sorted(sums.items())
    ]


def _most(
    values_ms: Iterable[tuple[TopicPartition, int | None]],
    labels: tuple[str, ...],
    pick: Callable[[Iterable[int]], int],
) -> list[tuple[tuple[str, ...], float]]:
    """Seconds by topic and partition, or the greatest or least of each topic; the unknown is left out."""
    gathered: defaultdict[TopicPartition, list[int]] = defaultdict(list)
    for partition, value_ms in values_ms:
        if value_ms is not None:
            key = partition if "partition" in labels else TopicPartition(partition.topic, 0)
            gathered[key].append(value_ms)
    return [
        ((key.topic, str(key.partition))[: len(labels)], pick(values) / 1000)
        for key, values in sorted(gathered.items())
    ]
