"""Splits as Spark tasks: one task per split, by a plain RDD. The only home of pyspark.

No SQL session is made: a context is all that is needed, and costs seconds less. Master, resources and
the Python environment come from spark-submit. The context is started when there is work for it, in a
thread of its own, while the driver stages the run.

What a person has set wins over what is set here, wherever it was set: at spark-submit, in
spark-defaults.conf or PYSPARK_SUBMIT_ARGS. Only the JVM knows that, so our settings wait for it.
"""

import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError
from pyspark import Accumulator, AccumulatorParam, SparkConf, SparkContext

from loader.engine.protocol import SPLIT_DONE
from loader.errors import WorkersLost
from loader.values import Advance, Split, SplitResult

if TYPE_CHECKING:
    from loader.task import LoadTask

T = TypeVar("T")

NAMES_BY_SPARK = ("", "load.py", "pyspark-shell")
"""Of an application that nobody gave a name: of the file that was submitted, or of none."""

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
        if "PYSPARK_GATEWAY_PORT" in os.environ:
            SparkContext._ensure_initialized()  # spark-submit's JVM runs already, and knows its options
        self._conf = SparkConf() if conf is None else conf
        self._starting: _Background[SparkContext] | None = None
        self.slots = _slots(self._conf)

    def prepare(self, split_count: int) -> None:  # noqa: ARG002  one split needs a context too
        """Begin to start the context; see the protocol."""
        self._starting = _Background(self._start)

    def run(
        self, task: "LoadTask", splits: Sequence[Split], on_advance: Callable[[Advance], None]
    ) -> list[SplitResult]:
        """Load every split; see the protocol."""
        context = self._started()
        # An accumulator's updates reach the driver as each task ends; the results only with the last.
        told = context.accumulator((), _Advances())

        def run_splits(part: Iterable[Split]) -> Iterator[SplitResult]:
            for split in part:
                advances: list[Advance] = []
                yield task.run(split, advances.append)
                told.add((*advances, SPLIT_DONE))

        def collect() -> list[SplitResult]:
            # Spark keeps the group per thread: it names the job in Spark's pages.
            context.setJobGroup(task.run_id, f"kafka-loader {task.job}: {len(splits)} splits")
            return context.parallelize(splits, len(splits)).mapPartitions(run_splits).collect()

        try:
            return _finished(
                _Background(collect), told, on_advance, lambda: _failed_attempts(context, task.run_id)
            )
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

    def _started(self) -> SparkContext:
        starting, self._starting = self._starting or _Background(self._start), None
        while not starting.ended(POLL_S):
            pass
        return starting.result()

    def _start(self) -> SparkContext:
        SparkContext._ensure_initialized(conf=self._conf)
        conf = SparkConf()
        for key, value in self._conf.getAll():
            conf.set(key, value)
        conf.setIfMissing("spark.log.level", "WARN")  # its account of every task hides our progress
        if conf.get("spark.app.name", "") in NAMES_BY_SPARK:
            conf.setAppName("kafka-loader")
        conf.setIfMissing("spark.master", "local[*]")  # what spark-submit takes without --master
        return SparkContext.getOrCreate(conf)


def _finished(
    job: "_Background[list[SplitResult]]",
    told: "Accumulator[tuple[Advance, ...]]",
    on_advance: Callable[[Advance], None],
    failed_attempts: Callable[[], int],
) -> list[SplitResult]:
    """The results, once they are there; until then, what tasks tell as they end, and how many died."""
    seen = retried = 0
    ended = False
    while not ended:
        ended = job.ended(POLL_S)
        for advance in told.value[seen:]:
            on_advance(advance)
            seen += 1
        if (failed := failed_attempts()) > retried:
            on_advance(Advance(0, 0, 0, retried_count=failed - retried))
            retried = failed
    return job.result()


def _failed_attempts(context: SparkContext, group: str) -> int:
    """How many tasks of a job group have died so far; Spark begins them again, up to its own limit."""
    try:
        tracker = context.statusTracker()
        jobs = [job for number in tracker.getJobIdsForGroup(group) if (job := tracker.getJobInfo(number))]
        stages = [tracker.getStageInfo(stage) for job in jobs for stage in job.stageIds]
        return sum(stage.numFailedTasks for stage in stages if stage)
    except (Py4JError, ConnectionError):
        return 0  # Spark itself is gone: the job tells what that means


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


class _Background(Generic[T]):
    """A call that runs in a thread, so that this one can look at its progress."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._results: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="spark", daemon=True)
        self._thread.start()

    def ended(self, timeout_s: float) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._results[0]

    def _run(self) -> None:
        try:
            self._results.append(self._call())
        except BaseException as error:  # belongs to the thread that waits for it
            self._error = error


def _slots(conf: SparkConf) -> int:
    """How many tasks Spark will run at once, as far as its configuration says without starting it."""
    master = conf.get("spark.master") or "local[*]"
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
