"""Small Spark jobs that look at executors: their Python first, by code that needs nothing of this package."""

import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import pyspark
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import SparkContext

from loader.engine.executor_probe import ExecutorFinding, ExecutorProbe
from loader.engine.spark import SparkEngine
from loader.errors import ConfigError, WorkersLost

Found = TypeVar("Found")

OTHER_PYTHON = "PYTHON_VERSION_MISMATCH"
"""In Spark's text, where an executor's Python has another minor version than the driver's."""


@dataclass(frozen=True, slots=True)
class ExecutorPython:
    """The Python that a task ran in.

    package  the version of this package there, "" where it cannot be imported
    problem  why not
    """

    host: str
    python: str
    executable: str
    package: str
    problem: str


class SparkProbe:
    """A Spark context for looking at its executors; it is stopped if it was started for that.

    Raises WorkersLost where Spark does not start.
    """

    def __init__(self, engine: SparkEngine) -> None:
        self._was_running = SparkContext._active_spark_context is not None
        try:
            self._context = engine._started()
        except Exception as error:  # by Spark's JVM, its launcher, or py4j
            raise WorkersLost(f"Spark does not start: {_first_line(error)}") from error
        self.slots = max(engine.slots, self._context.defaultParallelism)
        self.description = f"pyspark {pyspark.__version__}, master {self._context.master}"

    def pythons(self) -> list[ExecutorPython]:
        """The Python of every slot. Raises ConfigError where it is another one, WorkersLost."""

        # A function within a function is sent by its code, others by the name of their module: this one must
        # run where this package is missing.
        def look(slots: Iterable[int]) -> Iterator[tuple[str, str, str, str, str]]:
            import platform
            import sys
            import time

            for _ in slots:
                time.sleep(0.3)  # as long as others need to start, so that no slot does the work of two
                try:
                    import loader

                    package, problem = loader.__version__, ""
                except Exception as error:  # whatever is wrong with it there
                    package, problem = "", repr(error)
                yield platform.node(), platform.python_version(), sys.executable, package, problem

        return [ExecutorPython(*each) for each in self._run(look)]

    def findings(self, probe: ExecutorProbe) -> list[ExecutorFinding]:
        """What a probe found in every slot. Raises WorkersLost."""

        def run(slots: Iterable[int]) -> Iterator[ExecutorFinding]:
            return map(probe.run, slots)

        return self._run(run)

    def close(self) -> None:
        """Stop Spark, unless others use it."""
        if not self._was_running:
            self._context.stop()

    def _run(self, function: Callable[[Iterable[int]], Iterator[Found]]) -> list[Found]:
        numbers = self._context.parallelize(range(self.slots), self.slots)
        try:
            return numbers.mapPartitions(function).collect()
        except Py4JJavaError as error:
            text = str(error.java_exception)
            if OTHER_PYTHON in text:
                raise ConfigError(
                    [
                        "executors run another Python than the driver, which is"
                        f" {platform.python_version()}: set PYSPARK_PYTHON, or ship the environment"
                        " (spark.archives)"
                    ]
                ) from error
            raise WorkersLost(f"tasks fail on the executors: {_first_line(error)}") from error
        except (Py4JError, ConnectionError) as error:
            raise WorkersLost(f"Spark ended: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    text = str(error.java_exception) if isinstance(error, Py4JJavaError) else str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else repr(error)
