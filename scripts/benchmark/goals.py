"""The goals, and how far the results reach them. Figures in, rows of a table out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmark.results import Results, median_of, ratio

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Goal:
    """One row.

    measured  None when it has not been, and then `met` is None too
    """

    what: str
    wanted: str
    measured: str | None
    met: bool | None


@dataclass(frozen=True, slots=True)
class _Ratio:
    """At least so many times."""

    what: str
    at_least: float
    workload: str
    slow: str
    fast: str
    measure: str = "seconds"

    def judge(self, results: Results) -> Goal:
        found = ratio(results, self.workload, self.slow, self.fast, self.measure)
        return Goal(
            self.what,
            f"{self.at_least:g} x",
            None if found is None else f"{found:.2f} x",
            None if found is None else found >= self.at_least,
        )


@dataclass(frozen=True, slots=True)
class _Limit:
    """At most so much."""

    what: str
    at_most: float
    unit: str
    find: Callable[[Results], float | None]

    def judge(self, results: Results) -> Goal:
        found = self.find(results)
        digits = 0 if self.unit == "MiB" else 2
        return Goal(
            self.what,
            f"{self.at_most:g} {self.unit}",
            None if found is None else f"{found:,.{digits}f} {self.unit}",
            None if found is None else found <= self.at_most,
        )


def _largest_task_mib(results: Results) -> float | None:
    """Over all workloads that were measured; None without the one with a range of 10 GB."""
    tasks: dict[str, Any] = results.get("memory", {}).get("tasks", {})
    if "M10" not in tasks:
        return None
    return max(float(task["peak_bytes"]) for task in tasks.values()) / MIB


def _start(name: str) -> Callable[[Results], float | None]:
    def find(results: Results) -> float | None:
        figure = results.get("starts", {}).get(name)
        return None if figure is None else float(figure["seconds"]["median"])

    return find


def _bad_share(results: Results) -> float | None:
    """How many times as long a load takes when one record in ten goes to the quarantine."""
    good, bad = (median_of(results, workload, "loader") for workload in ("W12", "W13"))
    return bad / good if good and bad else None


_W5_GOAL = "W5 on 2 processes against 1"

_GOALS: tuple[_Ratio | _Limit, ...] = (
    _Ratio("W1 load stage, 2 processes, against Spark's source, warm JVM", 7, "W1", "spark", "loader"),
    _Ratio("W1 the same, first run in the JVM", 12, "W1", "spark-first", "loader-first"),
    _Ratio("W1 CPU seconds against Spark's source, warm", 6, "W1", "spark", "loader", "cpu_s"),
    _Ratio(
        "W1 whole command: spark-submit jobs/load.py against a spark-submit of Spark's source",
        2.5,
        "W1",
        "command-spark-source",
        "command-spark-submit",
    ),
    _Ratio(
        "W1 whole command: --engine local against the same", 8, "W1", "command-spark-source", "command-local"
    ),
    _Ratio(
        "W1 against confluent-kafka and pyarrow, one process each, its settings as they come",
        8,
        "W1",
        "confluent-defaults",
        "loader-1",
    ),
    _Ratio("W1 the same, its queue's backoff shortened", 8, "W1", "confluent", "loader-1"),
    _Ratio("W1 against kafka-python and pyarrow, one process each", 25, "W1", "kafka-python", "loader-1"),
    _Ratio("W1 against Java ConsumerPerformance, which writes nothing", 1.7, "W1", "consumer-perf", "loader"),
    _Ratio("W1 time of the ideal / our time", 0.75, "W1", "ideal", "loader"),
    _Ratio("W3 against Spark's source, warm", 4, "W3", "spark", "loader"),
    _Ratio("W4 against Spark's source, warm", 4, "W4", "spark", "loader"),
    _Ratio("W9 against Spark's source, warm", 4, "W9", "spark", "loader"),
    _Ratio(_W5_GOAL, 1.8, "W5", "loader-1", "loader"),
    _Ratio("W6 against Spark's source, warm", 8, "W6", "spark", "loader"),
    _Ratio("W7 against Spark's from_json, warm", 6, "W7", "spark", "loader"),
    _Limit("10 M records of JSON with 1 M bad ones (W13), against all good (W12)", 1.5, "x", _bad_share),
    _Limit("peak memory of a task, any workload, a range of 10 GB", 512, "MiB", _largest_task_mib),
    _Limit("planning 10,000 partitions", 3, "s", _start("plan-10000-partitions")),
    _Limit("kafka-loader plan, 10 partitions, whole command", 1, "s", _start("plan-command-10-partitions")),
    _Limit("a run on a ledger of 100,000 commits, nothing new", 2, "s", _start("run-100000-commits")),
)


def judge(results: Results) -> list[Goal]:
    """Every goal, in the order of the issue; those that were not measured say so."""
    return [goal.judge(results) for goal in _GOALS]


def quick_ratios(results: Results, workloads: tuple[str, ...], peers: tuple[str, ...]) -> dict[str, float]:
    """What --quick compares: how many times faster the loader is than each peer, and its CPU seconds."""
    found: dict[str, float] = {}
    for workload in workloads:
        for peer in peers:
            for measure in ("seconds", "cpu_s"):
                value = ratio(results, workload, peer, "loader", measure)
                if value is not None:
                    found[f"{workload} {peer} {measure}"] = round(value, 3)
    return found


def fallen(found: dict[str, float], kept: dict[str, float], tolerance: float) -> list[str]:
    """What of the kept ratios is not reached any more, in words; a ratio that is missing has fallen, too."""
    lines = []
    for name, expected in kept.items():
        value = found.get(name)
        if value is None:
            lines.append(f"{name}: not measured, {expected:.2f} x is kept")
        elif value < expected * (1 - tolerance):
            lines.append(
                f"{name}: {value:.2f} x, {1 - value / expected:.0%} below the {expected:.2f} x that is kept"
            )
    return lines


def rows_per_second(results: Results, workload: str, competitor: str) -> float | None:
    """By the median turn."""
    seconds = median_of(results, workload, competitor)
    rows = results.get("workloads", {}).get(workload, {}).get("row_count")
    return rows / seconds if seconds and rows else None
