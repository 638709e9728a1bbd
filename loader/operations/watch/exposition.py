"""Measurements in Prometheus' text format, by prometheus_client: as text, as a file, to a push gateway."""

import errno
import secrets
from collections.abc import Iterable, Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, generate_latest, push_to_gateway
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from loader.errors import ConfigError, PushFailed, StorageFull
from loader.operations.watch.metrics import JobMetrics, Metric
from loader.operations.watch.totals import TopicTotals, Totals

JOB_LABEL = "loader_job"
PUSH_JOB = "kafka_loader"
PUSH_TIMEOUT_S = 10.0


def as_text(measured: JobMetrics) -> str:
    """The measurements in Prometheus' text format, version 0.0.4."""
    return generate_latest(_registry(measured)).decode()


def write_file(measured: JobMetrics, path: Path) -> None:
    """Write the text to a file, whole or not at all, readable by all: the node exporter is another user.

    Raises ConfigError where the file cannot be written, StorageFull where there is no room.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")  # not *.prom: the exporter passes it by
    try:
        try:
            draft.write_text(as_text(measured), encoding="utf-8")
            draft.chmod(0o644)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        problem = f"--output {path}: cannot be written: {error.strerror or error}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"{problem}. The file is as it was. Make room, then run again.") from error
        raise ConfigError([problem]) from error


def read_totals(path: Path, job: str) -> Totals | None:
    """The totals that a file tells which `write_file` has written; None for none, or another's."""
    try:
        families = {
            family.name: family.samples
            for family in text_string_to_metric_families(path.read_text(encoding="utf-8"))
        }
        (ledger,) = families["kafka_loader_ledger_info"]
        (version,) = families["kafka_loader_commit_version"]
        if ledger.labels[JOB_LABEL] != job:
            return None
        rows, quarantined, lost, written = (
            {sample.labels["topic"]: int(sample.value) for sample in families[f"kafka_loader_{name}"]}
            for name in ("rows", "quarantined_records", "lost_records", "written_bytes")
        )
        topics = {
            topic: TopicTotals(rows[topic], quarantined[topic], lost[topic], written[topic]) for topic in rows
        }
        return Totals(ledger.labels["ledger_id"], int(version.value), topics)
    except (OSError, ValueError, KeyError):  # none yet, or not ours: the count begins anew
        return None


def push(measured: JobMetrics, url: str) -> None:
    """Replace the job's group at a push gateway. Raises PushFailed, and ConfigError for what is no URL."""
    problem = _url_problem(url)
    if problem is not None:
        raise ConfigError([f"--push: {problem}"])
    try:
        push_to_gateway(url, PUSH_JOB, _registry(measured), {JOB_LABEL: measured.job}, timeout=PUSH_TIMEOUT_S)
    except (OSError, HTTPException) as error:
        raise PushFailed(
            f"--push {url}: the push gateway did not take the metrics: {error}. Nothing else was changed. Run"
            " again when it answers."
        ) from error


def _url_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None:
            return "the URL must not hold a login"  # it is not repeated: logs keep it
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    return None if is_url else f"{url!r} is no URL like http://pushgateway.example.com:9091"


def _registry(measured: JobMetrics) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(measured))
    return registry


class _Families(Collector):
    def __init__(self, measured: JobMetrics) -> None:
        self._measured = measured

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        return _families(self._measured.job, self._measured.metrics)


def _families(job: str, metrics: Iterable[Metric]) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
    for metric in metrics:
        if not metric.values:
            continue
        kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        family = kind(metric.name, metric.meaning, labels=(JOB_LABEL, *metric.label_names))
        for labels, value in metric.values:
            family.add_metric((job, *labels), value)
        yield family
