"""The results document: what was measured, on what machine; and figures taken from it.

    {"machine": …, "workloads": {"W1": {"what": …, "date": …, "competitors": {"loader": {"turns": […], …}}}},
     "scaling": …, "memory": …, "starts": …, "quick": …}

A part that is measured again replaces its former self; the others stay.
"""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from local_services.artifacts import HDFS, KAFKA
from local_services.java import find_java

Results = dict[str, Any]

MEASURES = ("seconds", "cpu_s", "server_cpu_s", "peak_rss_bytes", "written_bytes")


def read_results(path: Path) -> Results:
    """The document; an empty one when there is none yet."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def write_results(path: Path, results: Results) -> None:
    """Replace the document in one step."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(results, indent=1) + "\n")
    draft.rename(path)


def merge_workload(
    results: Results, name: str, facts: Mapping[str, Any], turns: Mapping[str, Sequence[Mapping[str, Any]]]
) -> None:
    """Take the turns of one workload in; competitors that did not run stay as they were."""
    entry = results.setdefault("workloads", {}).setdefault(name, {"competitors": {}})
    entry |= facts
    for competitor, its_turns in turns.items():
        entry["competitors"][competitor] = {
            "date": today(),
            "turns": [_rounded(turn) for turn in its_turns],
            "summary": summary(its_turns),
        }


def summary(turns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Median and spread of the turns that count."""
    counted = [turn for turn in turns if turn["counts"]]
    if not counted:
        return {"turns": 0}
    return {"turns": len(counted), **spreads(counted, MEASURES)}


def spreads(turns: Sequence[Mapping[str, Any]], measures: Sequence[str]) -> dict[str, Any]:
    """Median, least and most of each measure."""
    columns = {measure: [turn[measure] for turn in turns] for measure in measures}
    return {
        measure: {
            "median": _round(statistics.median(values)),
            "min": _round(min(values)),
            "max": _round(max(values)),
        }
        for measure, values in columns.items()
    }


def median_of(results: Results, workload: str, competitor: str, measure: str = "seconds") -> float | None:
    """One median; None when it was not measured."""
    competitors = results.get("workloads", {}).get(workload, {}).get("competitors", {})
    figure = competitors.get(competitor, {}).get("summary", {}).get(measure)
    return None if figure is None else float(figure["median"])


def ratio(results: Results, workload: str, slow: str, fast: str, measure: str = "seconds") -> float | None:
    """How many times as much `slow` takes as `fast`, by medians; None when one was not measured."""
    above = median_of(results, workload, slow, measure)
    below = median_of(results, workload, fast, measure)
    return above / below if above is not None and below else None


def machine() -> dict[str, Any]:
    """What the figures were measured on. No name and no address of it."""
    java = subprocess.run([find_java(), "-version"], capture_output=True, text=True, check=False)
    packages = ("pyspark", "pyarrow", "numba", "kafka-python", "confluent-kafka", "hdfs-native", "duckdb")
    return {
        "date": today(),
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu_name(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "java": java.stderr.splitlines()[0] if java.stderr else "",
        "kafka": KAFKA.version,
        "hdfs": HDFS.version,
        **{name: version(name) for name in packages},
    }


def today() -> str:
    """The date, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%d")


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _rounded(turn: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _round(value) for key, value in turn.items()}


def _round(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
