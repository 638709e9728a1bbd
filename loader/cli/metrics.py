"""`kafka-loader metrics`: a job's measurements for Prometheus, as text, as a file, or pushed."""

import sys
from pathlib import Path
from typing import Any

from loader.cli import process, text
from loader.cli.failures import failure_document, told
from loader.errors import ConfigError
from loader.operations.watch.metrics import JobMetrics, measure


def metrics(config: Path, output: Path | None, push: str | None, by_partition: bool, as_json: bool) -> int:
    """Measure a job, hand the measurements over, and return the exit status."""
    try:
        from loader.operations.watch import exposition
    except ImportError as error:
        raise ConfigError(
            ["metrics need the package prometheus-client: pip install 'kafka-hadoop-loader[metrics]'"]
        ) from error
    if output is not None and output.suffix != ".prom":
        raise ConfigError([f"--output {output}: must end in .prom, or the node exporter passes it by"])
    job = process.read_job(config)
    known = exposition.read_totals(output, job.name) if output is not None else None
    measured = measure(job, known, process.now_ms, by_partition=by_partition)
    if output is not None:
        exposition.write_file(measured, output)
    if push is not None:
        exposition.push(measured, push)
    if as_json:
        text.print_json(_document(measured, config))
    elif output is None and push is None:
        sys.stdout.write(exposition.as_text(measured))
    for each in measured.errors:
        text.warn(f"not measured: {told(each, config)}")
    return measured.exit_status


def _document(measured: JobMetrics, config: Path) -> dict[str, Any]:
    return {
        "job": measured.job,
        "metrics": [
            {
                "name": metric.name,
                "type": metric.kind,
                "meaning": metric.meaning,
                "values": [
                    {**dict(zip(metric.label_names, labels, strict=True)), "value": value}
                    for labels, value in metric.values
                ],
            }
            for metric in measured.metrics
        ],
        "errors": [failure_document(error, config) for error in measured.errors],
    }
