"""Splits as Spark tasks: one task per split, by a plain RDD. The only home of pyspark.

No SQL session is made: a context is all that is needed, and costs seconds less. Master, resources and
the Python environment come from spark-submit. The context is started when there is work for it.
"""

import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError
from pyspark import Accumulator, AccumulatorParam, SparkConf, SparkContext

from loader.errors import WorkersLost
from loader.values import Advance, Split, SplitResult

if TYPE_CHECKING:
    from loader.task import LoadTask

PYTHON_EXCEPTION = "org.apache.spark.api.python.PythonException: "
"""In Spark's text of a failure, before the traceback: the task itself raised. A lost process leaves none."""

POLL_S = 0.2
"""How often finished tasks are looked for."""

TASKS_END_S = 30.0
"""How long the other tasks of a load that has failed may go on. Spark ends their Python workers after about
two seconds and spark.python.task.killTimeout, which is two seconds."""


class SparkEngine:
    """Runs splits on the executors that the Spark configuration names.

    Spark retries a task whose executor died; the retry is another attempt, with files of its own.
    """

    name = "spark"

    def __init__(self, conf: SparkConf | None = None) -> None:
        self._conf = SparkConf() if conf is None else conf
        self._conf.setIfMissing("spark.log.level", "WARN")  # its account of every task hides our progress
        self._conf.setIfMissing("spark.app.name", "kafka-loader")
        self._conf.setIfMissing("spark.master", "local[*]")  # what spark-submit takes without --master
        self.slots = _slots(self._conf)

    def run(
        self, task: "LoadTask", splits: Sequence[Split], on_advance: Callable[[Advance], None]
    ) -> list[SplitResult]:
        """Load every split; see the protocol."""
        context = SparkContext.getOrCreate(self._conf)
        # An accumulator's updates reach the driver as each task ends; the results only with the last.
        told = context.accumulator((), _Advances())

        def run_splits(part: Iterable[Split]) -> Iterator[SplitResult]:
            for split in part:
                advances: list[Advance] = []
                yield task.run(split, advances.append)
                told.add(tuple(advances))

        def collect() -> list[SplitResult]:
            # Spark keeps the group per thread: it names the job in Spark's pages.
            context.setJobGroup(task.run_id, f"kafka-loader {task.job}: {len(splits)} splits")
            return context.parallelize(splits, len(splits)).mapPartitions(run_splits).collect()

        try:
            return _finished(_Background(collect), told, on_advance)
        except BaseException as error:
            # The caller removes what the load has staged: a task that still works would stage anew.
            _end_tasks(context, task.run_id)
            if isinstance(error, (Py4JNetworkError, ConnectionError)):
                raise WorkersLost(
                    f"Spark's driver process ended: {error}. Nothing was committed. Look at its log; if it"
                    " ran out of memory, give it more; then run again."
                ) from error
            if not isinstance(error, Py4JJavaError):
                raise
            if PYTHON_EXCEPTION in str(error.java_exception):
                raise RuntimeError(f"a task failed, and that is a bug:\n{error.java_exception}") from error
            raise WorkersLost(
                f"Spark gave up on the load: {_cause(error)}. Nothing was committed. Look at the executors'"
                " logs; if they ran out of memory, give them more or lower write.row_group_bytes; then run"
                " again."
            ) from error


def _finished(
    job: "_Background", told: "Accumulator[tuple[Advance, ...]]", on_advance: Callable[[Advance], None]
) -> list[SplitResult]:
    """The results, once they are there; until then, what tasks tell as they end."""
    seen = 0
    ended = False
    while not ended:
        ended = job.ended(POLL_S)
        for advance in told.value[seen:]:
            on_advance(advance)
            seen += 1
    return job.result()


def _end_tasks(context: SparkContext, group: str) -> None:
    """Return when no task of a job group works any more, or after TASKS_END_S."""
    give_up = time.monotonic() + TASKS_END_S
    try:
        tracker = context.statusTracker()
        jobs = [job for number in tracker.getJobIdsForGroup(group) if (job := tracker.getJobInfo(number))]
        if any(job.status == "RUNNING" for job in jobs):  # interrupted: Spark has not given it up by itself
            context.cancelJobGroup(group)
        stages = [stage for job in jobs for stage in job.stageIds]
        while any((info := tracker.getStageInfo(stage)) and info.numActiveTasks for stage in stages):
            if time.monotonic() > give_up:
                return  # what such a task still stages has no ticket: a sweep removes it after a day
            time.sleep(POLL_S)
    except (Py4JError, ConnectionError):
        return  # Spark itself is gone, and takes its executors with it


class _Advances(AccumulatorParam[tuple[Advance, ...]]):
    def zero(self, value: tuple[Advance, ...]) -> tuple[Advance, ...]:  # noqa: ARG002  Spark's signature
        return ()

    def addInPlace(  # noqa: N802  Spark's name
        self, value1: tuple[Advance, ...], value2: tuple[Advance, ...]
    ) -> tuple[Advance, ...]:
        return value1 + value2


class _Background:
    """A call that runs in a thread, so that this one can look at its progress."""

    def __init__(self, call: Callable[[], list[SplitResult]]) -> None:
        self._call = call
        self._result: list[SplitResult] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="spark-job", daemon=True)
        self._thread.start()

    def ended(self, timeout_s: float) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def result(self) -> list[SplitResult]:
        if self._error is not None:
            raise self._error
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:  # belongs to the thread that waits for it
            self._error = error


def _slots(conf: SparkConf) -> int:
    """How many tasks Spark will run at once, as far as its configuration says without starting it."""
    master = conf.get("spark.master", "") or ""
    if local := re.fullmatch(r"local(?:\[(\d+|\*)(?:,\d+)?\])?", master):
        threads = local.group(1) or "1"
        return _cores() if threads == "*" else int(threads)
    if cluster := re.fullmatch(r"local-cluster\[(\d+),(\d+),\d+\]", master.replace(" ", "")):
        return int(cluster.group(1)) * int(cluster.group(2))
    executors = int(conf.get("spark.executor.instances", "2") or 2)
    return executors * int(conf.get("spark.executor.cores", "1") or 1)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _cause(error: Py4JJavaError) -> str:
    lines = [line.strip() for line in str(error.java_exception).splitlines() if line.strip()]
    return lines[0] if lines else "no reason given"
