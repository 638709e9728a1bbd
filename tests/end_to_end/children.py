"""Runs in processes of their own: stopped and woken, with less than they need, dead at any system call."""

import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from loader.cli import process
from loader.engine.local import LocalEngine
from loader.errors import LoaderError
from loader.operations.listening import Listener, Step
from loader.operations.load import load
from loader.storage import hdfs
from loader.values import Advance

from .crashes import KILLED, Interruption, _context, _end_of, _start, kill_this_process
from .jobs import Ended, kafka_loader
from .producing import wait_until

NOBODY = 65534


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a child works under.

    user_id          another user than root, who is denied nothing
    environment      on top of what it has
    file_size_bytes  beyond which the kernel refuses to let a file grow (RLIMIT_FSIZE, EFBIG)
    """

    user_id: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    file_size_bytes: int | None = None

    def take_effect(self) -> None:
        """In this process, for good."""
        os.environ.update(self.environment)
        if self.file_size_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.file_size_bytes, self.file_size_bytes))
        if self.user_id is not None and os.geteuid() == 0:
            os.setgroups([])
            os.setgid(self.user_id)
            os.setuid(self.user_id)


def run_under(conditions: Conditions, config: Path) -> Ended:
    """Run a job to its end, whatever it is; several threads can do this at the same time."""
    ended: Ended = in_child(_run_under, conditions, config)
    return ended


def in_child(story: Callable[..., Any], *arguments: Any) -> Any:
    """What `story(*arguments)` returns in a child. The story must be of a module, to be found there."""
    ours, theirs = _context.Pipe(duplex=False)
    child = _context.Process(target=_tell, args=(theirs, story, arguments))
    _start(child)
    theirs.close()
    assert ours.poll(120), "a child does not end"
    answer = ours.recv()
    assert _end_of(child) == 0
    return answer


def killed_before_system_call(config: Path, number: int) -> bool:
    """Run a job in a process that is killed before its system call of this number; False if it makes fewer.

    Those are counted that change the destination: a file or folder made, a name given or taken away. So a
    move counts twice, and the removal of a folder once for each file in it and once for itself.
    """
    child = _context.Process(target=_die_before_system_call, args=(config, number))
    _start(child)
    status = _end_of(child)
    assert status in (0, KILLED), f"ended with {status}"
    return status == KILLED


class StoppedRun:
    """A run that stops itself by SIGSTOP, as a machine that hangs, when it comes to a step.

    Entered, it has stopped. `wake()` lets it go on, and returns its exit status.

    at          a step, or None for the middle of the load: its second piece is read, and no file is finished
    deadline_s  of its calls on HDFS; None for the loader's own
    """

    def __init__(self, config: Path, at: Step | None, deadline_s: float | None = None) -> None:
        self._child = _context.Process(target=_stop_at, args=(config, at, deadline_s))

    def wake(self) -> int:
        """SIGCONT; wait for its end."""
        os.kill(self.process_id, signal.SIGCONT)
        return _end_of(self._child)

    def kill(self) -> None:
        """SIGKILL, which takes a stopped process too."""
        os.kill(self.process_id, signal.SIGKILL)
        assert _end_of(self._child) == KILLED

    @property
    def process_id(self) -> int:
        """Of the child."""
        assert self._child.pid is not None
        return self._child.pid

    @property
    def is_stopped(self) -> bool:
        """Whether the kernel says so."""
        assert self._child.exitcode is None, f"ended with {self._child.exitcode} before it stopped"
        stat = Path(f"/proc/{self.process_id}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def __enter__(self) -> Self:
        _start(self._child)
        wait_until(lambda: self.is_stopped, "a run to stop itself")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._child.exitcode is None:
            self.kill()


def _tell(pipe: Any, story: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    pipe.send(story(*arguments))


def _run_under(conditions: Conditions, config: Path) -> Ended:
    if conditions.user_id is not None:
        kafka_loader("plan", str(config))  # another user may not be allowed to import what this needs
    conditions.take_effect()
    return kafka_loader("run", str(config), "--json", "--processes", "1")


@dataclass
class _MidLoad(Interruption):
    """Interrupts when the second piece of a split went to its files, not at a step."""

    pieces: int = 0

    def step(self, step: Step) -> None:
        del step

    def advanced(self, advance: Advance) -> None:
        del advance
        self.pieces += 1
        if self.pieces == 2:
            super().step(self.at)


def _stop_at(config: Path, at: Step | None, deadline_s: float | None) -> None:
    if deadline_s is not None:
        impatient = partial(hdfs.HdfsStorage, call_timeout_s=deadline_s, data_timeout_s=deadline_s)
        vars(hdfs)["HdfsStorage"] = impatient
    interruption = Interruption(at, stop_this_process) if at else _MidLoad(Step.LOAD, stop_this_process)
    _load(config, interruption)


def stop_this_process() -> None:
    """Until somebody sends SIGCONT."""
    os.kill(os.getpid(), signal.SIGSTOP)


def _load(config: Path, interruption: Interruption) -> None:
    listener = cast(Listener, interruption)
    job = process.read_job(config)
    try:
        report = load(job, LocalEngine(1), process.new_ticket, process.now_ms, process.is_dead, listener)
    except LoaderError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_status)
    sys.exit(report.exit_status)


def _die_before_system_call(config: Path, number: int) -> None:
    job = process.read_job(config)
    destination = job.storage.url.removeprefix("file://")
    left = number

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if not _changes(destination, event, arguments):
            return
        left -= 1
        if left == 0:
            kill_this_process()

    sys.addaudithook(count)
    _load(config, Interruption(Step.RECOVER, lambda: None))


def _changes(destination: str, event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether a system call that Python is about to make changes the destination."""
    if event == "open":
        path, _, flags = arguments
        return bool(flags & os.O_CREAT) and str(path).startswith(destination)
    if event in ("os.remove", "os.rmdir"):
        path, folder_descriptor = arguments
        # By descriptor go the entries of a folder that is removed with all in it: only the loader does that.
        return folder_descriptor != -1 or str(path).startswith(destination)
    return event in ("os.link", "os.mkdir", "os.rename") and str(arguments[0]).startswith(destination)
