"""Runs that die, and runs that meet: in processes of their own, killed without a chance to tidy up."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import loader.task
from loader.cli import main, process
from loader.engine.local import LocalEngine
from loader.operations.changes.backfill import Asked, backfill, plan_backfill
from loader.operations.changes.compaction import compact, plan_compaction
from loader.operations.changes.replay import replay
from loader.operations.listening import Listener, Step
from loader.operations.load import load
from loader.storage.opening import open_storage
from loader.storage.protocol import OutputFile, Storage

KILLED = -signal.SIGKILL

# As the local engine does it: a child has all imported that it needs, and shares nothing that runs. pyarrow
# imports pandas, where there is one, when it first makes an array: half a second for each child.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["__main__", "pandas", "loader.engine.preload", __name__, "loader.cli.run"])


def start_fork_server() -> None:
    """Before an engine starts it, for only the first who does says what it imports."""
    forkserver.ensure_running()


def killed_at_step(config: Path, step: Step) -> None:
    """Run a job in a process that is killed when it comes to `step`."""
    status = _in_child(_die_at_step, config, step)
    assert status == KILLED, f"ended with {status}, before it came to {step}"


def killed_before_write(config: Path, number: int) -> bool:
    """Run a job in a process that is killed before its write of this number; False when it makes no so many.

    Writes are all that change the file system: a file begun, a file finished, a move, a delete.
    """
    status = _in_child(_die_before_write, config, number)
    assert status in (0, KILLED), f"ended with {status}"
    return status == KILLED


def replay_killed_before_write(config: Path, number: int) -> bool:
    """As `killed_before_write`, of a replay of all that is in the quarantine."""
    status = _in_child(_die_in_replay, config, number)
    assert status in (0, KILLED), f"ended with {status}"
    return status == KILLED


def backfill_killed_before_write(config: Path, topic: str, number: int) -> bool:
    """As `killed_before_write`, of a backfill of the offsets 3 to 7 of each partition."""
    status = _in_child(_die_in_backfill, config, topic, number)
    assert status in (0, KILLED), f"ended with {status}"
    return status == KILLED


def compaction_killed_before_write(config: Path, number: int) -> bool:
    """As `killed_before_write`, of a compaction of all that there is."""
    status = _in_child(_die_in_compaction, config, number)
    assert status in (0, KILLED), f"ended with {status}"
    return status == KILLED


def finished(config: Path) -> None:
    """Run a job to its end in a process of its own, so that several can be at work at the same time."""
    status = _in_child(_run, config)
    assert status == 0, f"ended with {status}"


def run_at_once(config: Path, count: int) -> list[int]:
    """Run a job in `count` processes that begin at the same moment; their exit statuses, sorted."""
    barrier = _context.Barrier(count)
    children = [_context.Process(target=_run_together, args=(config, barrier)) for _ in range(count)]
    for child in children:
        _start(child)
    return sorted(_end_of(child) for child in children)


@dataclass
class Interruption:
    """A listener that does something once, when a run comes to a step."""

    at: Step
    act: Callable[[], object]
    done: bool = False

    def step(self, step: Step) -> None:
        if step is self.at and not self.done:
            self.done = True
            self.act()

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *_: None  # whatever else it is told of

    def __enter__(self) -> "Interruption":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def kill_this_process() -> None:
    """As the system's memory killer would: nothing is flushed, closed or told."""
    os.kill(os.getpid(), signal.SIGKILL)


def _in_child(target: Callable[..., None], *arguments: Any) -> int:
    child = _context.Process(target=target, args=arguments)
    _start(child)
    return _end_of(child)


# Starting a child asks after all others, and only the first who asks is told how one ended.
_asking = threading.Lock()


def _start(child: BaseProcess) -> None:
    with _asking:
        child.start()


def _end_of(child: BaseProcess) -> int:
    assert wait([child.sentinel], 60), "a run does not end"
    with _asking:
        child.join()
    assert child.exitcode is not None
    return child.exitcode


def _die_at_step(config: Path, step: Step) -> None:
    _load(config, Interruption(step, kill_this_process), lambda storage: storage)


def _die_before_write(config: Path, number: int) -> None:
    deadly = _Countdown(number)
    _load(config, Interruption(Step.RECOVER, lambda: None), lambda storage: _DeadlyStorage(storage, deadly))


def _die_in_replay(config: Path, number: int) -> None:
    job = process.read_job(config)
    storage = cast(Storage, _DeadlyStorage(job.storage, _Countdown(number)))
    replay(replace(job, storage=storage), [], process.new_ticket, process.now_ms, process.is_dead)


def _die_in_backfill(config: Path, topic: str, number: int) -> None:
    deadly = _Countdown(number)
    loader.task.open_storage = lambda url: _DeadlyStorage(open_storage(url), deadly)  # type: ignore[attr-defined]
    job = process.read_job(config)
    job = replace(job, storage=cast(Storage, _DeadlyStorage(job.storage, deadly)))
    plan = plan_backfill(job, Asked(topic, None, 3, 8), 1)
    listener = cast(Listener, Interruption(Step.RECOVER, lambda: None))
    ticket = process.new_ticket(plan.newest.version)
    backfill(job, LocalEngine(1), plan, ticket, "", process.now_ms, process.is_dead, listener)


def _die_in_compaction(config: Path, number: int) -> None:
    job = process.read_job(config)
    job = replace(job, storage=cast(Storage, _DeadlyStorage(job.storage, _Countdown(number))))
    plan = plan_compaction(job, None, process.now_ms(), is_dry=False)
    assert plan is not None
    ticket = process.new_ticket(plan.newest.version)
    listener = cast(Listener, Interruption(Step.RECOVER, lambda: None))
    compact(job, plan, ticket, 1, process.now_ms, process.is_dead, listener)


def _load(config: Path, interruption: Interruption, wrapped: Callable[[Storage], Any]) -> None:
    loader.task.open_storage = lambda url: wrapped(open_storage(url))  # type: ignore[attr-defined]
    job = process.read_job(config)
    job = replace(job, storage=wrapped(job.storage))
    listener = cast(Listener, interruption)
    load(job, LocalEngine(1), process.new_ticket, process.now_ms, process.is_dead, listener)


def _run_together(config: Path, barrier: Barrier) -> None:
    barrier.wait(60)
    _run(config)


def _run(config: Path) -> None:
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        sys.exit(main.main(["run", str(config), "--processes", "1"]))


@dataclass
class _Countdown:
    left: int

    def count(self) -> None:
        self.left -= 1
        if self.left == 0:
            kill_this_process()


@dataclass
class _DeadlyStorage:
    """A storage whose process dies before one of its writes."""

    storage: Storage
    countdown: _Countdown
    read_only: frozenset[str] = field(default=frozenset({"url", "open", "read", "status", "list", "names"}))

    def __getattr__(self, name: str) -> Any:
        if name not in self.read_only:
            raise AttributeError(f"{name}: is it a write?")
        return getattr(self.storage, name)

    def create(self, path: str) -> Any:
        self.countdown.count()
        return _DeadlyFile(self.storage.create(path), self.countdown)

    def make_folder(self, path: str) -> None:
        self.countdown.count()
        self.storage.make_folder(path)

    def move(self, source: str, target: str) -> None:
        self.countdown.count()
        self.storage.move(source, target)

    def delete(self, path: str) -> bool:
        self.countdown.count()
        return self.storage.delete(path)


@dataclass
class _DeadlyFile:
    """A file whose process may die when all is written and nothing finished."""

    file: OutputFile
    countdown: _Countdown

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> "_DeadlyFile":
        self.file.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.countdown.count()
        self.file.__exit__(kind, error, traceback)
