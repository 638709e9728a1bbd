"""Splits in processes of this host: no JVM, no cluster, the same tasks and results."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from loader.engine.protocol import SplitDone
from loader.errors import WorkersLost
from loader.values import Split, SplitResult

if TYPE_CHECKING:
    from loader.task import LoadTask


class LocalEngine:
    """Runs splits in `processes` workers; a single split, or a single worker, in this process.

    Workers come from a fork server: it has imported the task and holds no thread and no connection, so
    that forking it is safe, and a worker starts in milliseconds.
    """

    name = "local"

    def __init__(self, processes: int | None = None) -> None:
        self.slots = processes or len(os.sched_getaffinity(0))

    def run(
        self, task: "LoadTask", splits: Sequence[Split], on_done: Callable[[SplitDone], None]
    ) -> list[SplitResult]:
        """Load every split; see the protocol."""
        results: list[SplitResult] = []
        if self.slots == 1 or len(splits) == 1:
            for split in splits:
                results.append(task.run(split))
                on_done(SplitDone.of(results[-1]))
            return results
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["loader.engine.preload"])
        with ProcessPoolExecutor(min(self.slots, len(splits)), mp_context=context) as pool:
            pending = [pool.submit(task.run, split) for split in splits]
            try:
                for done in as_completed(pending):
                    results.append(done.result())
                    on_done(SplitDone.of(results[-1]))
            except BrokenProcessPool as error:
                raise WorkersLost(
                    f"a worker process died with {len(splits) - len(results)} of {len(splits)} splits to go:"
                    " most often the system ran out of memory and killed it. Nothing was committed. Run"
                    " again, with fewer processes or a smaller write.row_group_bytes."
                ) from error
            finally:
                pool.shutdown(cancel_futures=True)
        return results
