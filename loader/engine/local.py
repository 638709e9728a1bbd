"""Splits in processes of this host: no JVM, no cluster, the same tasks and results."""

import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from loader.engine.protocol import SPLIT_DONE
from loader.errors import WorkersLost
from loader.values import Advance, Split, SplitResult

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext

    from loader.task import LoadTask

GRACE_S = 5.0
"""How long a worker that is told to stop may take, before it is killed."""


class LocalEngine:
    """Runs splits in `processes` workers; a single split, or a single worker, in this process.

    Workers come from a fork server: it has imported the task and holds no thread and no connection, so
    that forking it is safe, and a worker starts in milliseconds.
    """

    name = "local"

    def __init__(self, processes: int | None = None) -> None:
        self.slots = processes or len(os.sched_getaffinity(0))

    def prepare(self, split_count: int) -> None:
        """Begin to start the fork server, which imports for a second or two; see the protocol."""
        if not self._works_here(split_count):
            multiprocessing.get_context("forkserver").set_forkserver_preload(["loader.engine.preload"])
            forkserver.ensure_running()

    def run(
        self, task: "LoadTask", splits: Sequence[Split], on_advance: Callable[[Advance], None]
    ) -> list[SplitResult]:
        """Load every split; see the protocol."""
        if self._works_here(len(splits)):
            return [_run_here(task, split, on_advance) for split in splits]
        self.prepare(len(splits))
        context = multiprocessing.get_context("forkserver")
        waiting, results = deque(splits), []
        with ExitStack() as stack:
            workers: dict[Connection, _Worker] = {}
            for _ in range(min(self.slots, len(splits))):
                worker = _Worker(context, task)
                stack.callback(worker.stop)
                workers[worker.connection] = worker
                worker.give(waiting.popleft())
            while workers:
                for connection in wait(list(workers)):
                    worker = workers[connection]  # type: ignore[index]  # what wait() was given
                    match worker.receive():
                        case Advance() as advance:
                            on_advance(advance)
                        case SplitResult() as result:
                            results.append(result)
                            on_advance(SPLIT_DONE)
                            if waiting:
                                worker.give(waiting.popleft())
                            else:
                                del workers[worker.connection]
        return results

    def _works_here(self, split_count: int) -> bool:
        return self.slots == 1 or split_count == 1


def _run_here(task: "LoadTask", split: Split, on_advance: Callable[[Advance], None]) -> SplitResult:
    result = task.run(split, on_advance)
    on_advance(SPLIT_DONE)
    return result


@dataclass(frozen=True, slots=True)
class _Crash:
    """A worker's bug: its traceback as text, since not every exception can be sent."""

    traceback_text: str


class _Worker:
    """One process, and this end of the pipe to it: splits go out; advances and results come back."""

    def __init__(self, context: "ForkServerContext", task: "LoadTask") -> None:
        self.connection, theirs = context.Pipe()
        self._split: Split | None = None
        self._process = context.Process(target=_work, args=(task, theirs), daemon=True)
        self._process.start()
        theirs.close()  # else its end would not be seen when the worker dies

    def give(self, split: Split) -> None:
        self._split = split
        try:
            self.connection.send(split)
        except BrokenPipeError:
            raise self._lost() from None

    def receive(self) -> Advance | SplitResult:
        try:
            message = self.connection.recv()
        except (EOFError, ConnectionResetError):
            raise self._lost() from None
        if isinstance(message, _Crash):
            raise RuntimeError(f"a worker failed, and that is a bug:\n{message.traceback_text}")
        assert isinstance(message, Advance | SplitResult)  # noqa: S101  what _work sends
        if isinstance(message, SplitResult):
            self._split = None
        return message

    def stop(self) -> None:
        """End the process: at once where it waits for a split, else by a signal."""
        self.connection.close()
        if self._split is not None and self._process.is_alive():
            self._process.terminate()
        self._process.join(GRACE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _lost(self) -> WorkersLost:
        self._process.join(GRACE_S)
        code = self._process.exitcode
        how = f"by signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"status {code}"
        ranges = ", ".join(map(str, self._split.ranges[:3])) if self._split else ""
        return WorkersLost(
            f"a worker process ended ({how}) while it loaded {ranges}: by SIGKILL it is most often the system"
            " that ran out of memory. Nothing was committed. Run again, with fewer --processes or a smaller"
            " write.row_group_bytes."
        )


def _work(task: "LoadTask", connection: Connection) -> None:
    """The life of a worker: load splits until the driver closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the driver decides
    try:
        while True:
            split = connection.recv()
            connection.send(task.run(split, connection.send))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the driver has ended, or has no more splits
    except BaseException:  # whatever it is, the driver must hear of it
        connection.send(_Crash(traceback.format_exc()))
