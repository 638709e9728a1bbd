"""The loader's tasks in processes that stay: what a warm JVM with its executors is for Spark's source."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from loader.task import LoadTask
from loader.values import Advance, Split, SplitResult


class WarmEngine:
    """Runs splits in as many processes, made as the local engine makes its workers, which outlive a run."""

    name = "local"

    def __init__(self, processes: int) -> None:
        self.slots = processes
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["loader.engine.preload"])
        self._pool = ProcessPoolExecutor(processes, mp_context=context)

    def prepare(self, split_count: int) -> None:
        """Nothing to do: the processes are there since the first run."""

    def run(
        self,
        task: LoadTask,
        splits: Sequence[Split],
        on_advance: Callable[[Advance], None],  # noqa: ARG002  the protocol's
    ) -> list[SplitResult]:
        """Load every split; progress is not told."""
        return list(self._pool.map(partial(_load, task), splits))


def _load(task: LoadTask, split: Split) -> SplitResult:
    return task.run(split, _ignore)


def _ignore(_: Advance) -> None:
    pass
