"""A Spark driver that stays, since starting one takes long: it runs jobs as it is told, in one context.

    spark_driver.py  <  {"config": "…", "fault": "…", "notes": "…", "speculation": false}
                     >  [status, output, errors]

A line of JSON each; the first tells of the driver itself. A fault is a function of `faulty_tasks`, or "" for
none. All else is as spark-submit would have it, but that a bug's traceback goes into the errors, and a note
tells when the driver has heard of a task that ended.
"""

import contextlib
import functools
import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast
from unittest.mock import patch

from pyspark import SparkContext

from loader.cli import main
from loader.cli.logs import EventLog
from loader.cli.progress import ProgressListener
from loader.engine.spark import SparkEngine
from loader.task import LoadTask
from loader.values import Advance, Split, SplitResult

from .faulty_tasks import FaultyTask
from .notes import Notes
from .producing import wait_until

EXECUTOR_COUNT = 2


class NotingListener(ProgressListener):
    """Notes that the driver has heard of a task that ended."""

    def __init__(self, notes: Notes, log: EventLog) -> None:
        super().__init__(log)
        self._notes = notes

    def advanced(self, advance: Advance) -> None:
        super().advanced(advance)
        self._notes.put("heard")


def run(config: str, fault: str, notes: Notes) -> tuple[int, str, str]:
    """Run a job; its exit status, and what it wrote."""
    output, errors = io.StringIO(), io.StringIO()

    def run_faulty(
        engine: SparkEngine, task: LoadTask, splits: Sequence[Split], on_advance: Callable[[Advance], None]
    ) -> list[SplitResult]:
        return run_splits(engine, cast(LoadTask, FaultyTask(task, fault, notes)), splits, on_advance)

    run_splits = SparkEngine.run
    with (
        patch.object(SparkEngine, "run", run_faulty if fault else run_splits),
        patch("loader.cli.run.ProgressListener", functools.partial(NotingListener, notes)),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        try:
            status = main.main(["run", config, "--engine", "spark", "--json"])
        except Exception:  # as the interpreter does
            traceback.print_exc()
            status = 1
    return status, output.getvalue(), errors.getvalue()


def _wait_for_executors(context: SparkContext) -> None:
    known = context._jsc.sc()  # whose map of executors has the driver, too
    wait_until(lambda: known.getExecutorMemoryStatus().size() > EXECUTOR_COUNT, "all executors")


def _master_url(context: SparkContext) -> str:
    """Where the Master of a local-cluster is, which Spark tells nobody."""
    backend = context._jsc.sc().schedulerBackend()
    masters = backend.getClass().getDeclaredField("masters")
    masters.setAccessible(True)
    return str(masters.get(backend)[0])


def _main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else writes to standard output
    context = SparkContext()
    about = {"java": context._gateway.proc.pid, "master": _master_url(context)}  # type: ignore[union-attr]
    print(json.dumps(about), file=answers, flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        _wait_for_executors(context)
        # Read by Spark for each stage anew: of a stage's tasks, the part that must end before it speculates.
        quantile = "0.5" if order["speculation"] else "1.0"
        context._jsc.sc().conf().set("spark.speculation.quantile", quantile)
        answer = run(order["config"], order["fault"], Notes(Path(order["notes"])))
        print(json.dumps(answer), file=answers, flush=True)
    context.stop()


if __name__ == "__main__":
    _main()
