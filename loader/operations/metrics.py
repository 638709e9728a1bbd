"""What a monitoring system is told of a job: named measurements, from the ledger and the brokers.

Names and units follow Prometheus' conventions: base units, the unit at the end, `_total` for what only
grows. The job is the label `loader_job`, since `job` is Prometheus' own and says who was scraped.

A ledger or brokers that cannot be read are measured as well (`kafka_loader_up`), and what the other of the
two says is told all the same: monitoring must not fall silent when something is wrong.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import loader
from loader.commits.record import Commit
from loader.errors import LoaderError, gravest_exit_status
from loader.operations.job import Job
from loader.operations.plan import LoadPlan, plan_load, read_ledger
from loader.operations.totals import Totals, count_commits
from loader.planning.splits import SizedRange
from loader.values import TopicPartition

Labels = Mapping[str, str]


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


def measure(job: Job, known: Totals | None, *, by_partition: bool = False) -> JobMetrics:
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
    plan = None
    if ledger_is_read:
        try:
            plan = plan_load(job, newest, 1)
        except LoaderError as error:
            errors.append(error)
    up = [(("ledger",), float(ledger_is_read))]
    if ledger_is_read:
        up.append((("kafka",), float(plan is not None)))
    metrics = [
        _gauge("up", "Whether the ledger, and what the next run would load, could be read.", ["source"], up),
        _gauge("build_info", "The program that measured.", ["version"], [((loader.__version__,), 1.0)]),
    ]
    labels = ("topic", "partition") if by_partition else ("topic",)
    if newest is not None:
        metrics += _of_commit(newest, labels)
    if totals is not None:
        metrics += _of_totals(totals)
    if plan is not None:
        metrics += _of_plan(plan, labels)
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


def _of_plan(plan: LoadPlan, labels: tuple[str, ...]) -> Iterable[Metric]:
    ranges = [each.range for each in plan.partitions]
    yield _gauge(
        "lag_records",
        "Offsets that can be loaded and are not; transaction markers and compacted records count, too.",
        labels,
        _summed(((each.topic_partition, each.offset_count) for each in ranges), labels),
    )
    sizes: defaultdict[TopicPartition, int] = defaultdict(int)
    parts: tuple[SizedRange, ...] = (*plan.limited.ranges, *plan.limited.remaining)
    for part in parts:
        sizes[part.range.topic_partition] += part.estimated_bytes
    yield _gauge(
        "lag_bytes",
        "The same in bytes of Kafka's log, as compressed there; an estimate.",
        labels,
        _summed(((each.topic_partition, sizes[each.topic_partition]) for each in ranges), labels),
    )
    topics = sorted({each.topic for each in ranges} | plan.failures.keys())
    yield _gauge(
        "topic_loadable",
        "0 where a run would stop at the topic until somebody acts; `kafka-loader plan` says why.",
        ["topic"],
        [((topic,), float(topic not in plan.failures)) for topic in topics],
    )
    meaning = "Partitions that gave no answer this time; they keep their position."
    yield _gauge("unanswered_partitions", meaning, [], [((), float(len(plan.unlisted)))])


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
