"""Splits that go wrong on an executor. A module that Spark's Python workers can import.

A fault is a function of an attempt: it loads the split or does not, and ends in the way that its name says.
Spark tries a split again; which attempt this is, it learns from the notes of the run.
"""

import itertools
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loader.storage.opening import open_storage
from loader.task import LoadTask
from loader.values import Advance, Split, SplitResult, layout

from .notes import Notes


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a split, in a Python worker. The first has number 0."""

    task: LoadTask
    split: Split
    on_advance: Callable[[Advance], None]
    number: int
    notes: Notes

    @property
    def name(self) -> str:
        return f"{self.split.index}-{self.number}"

    @property
    def is_first_of_split_0(self) -> bool:
        return self.name == "0-0"

    def load(self, on_advance: Callable[[Advance], None] | None = None) -> SplitResult:
        """Do what would be done without a fault."""
        return self.task.run(self.split, on_advance or self.on_advance)

    def staged_names(self) -> list[str]:
        """The files that all attempts of this run have staged so far, finished or not."""
        entries = open_storage(self.task.destination).list(layout.run_folder(self.task.job, self.task.run_id))
        names = [entry.path.rpartition("/")[2] for entry in entries]
        return [name for name in names if name.endswith(".parquet")]

    def pause(self, advance: Advance) -> None:
        """Have a file open, as is told, until the test lets this go on."""
        self.notes.put("paused", "\n".join(self.staged_names()))
        self.notes.wait_for("go on")
        self.on_advance(advance)

    def die(self, process_id: int) -> None:
        """Have a process killed that this one cannot outlive; tell before what is staged."""
        self.notes.put("dead", "\n".join(self.staged_names()))
        os.kill(process_id, signal.SIGKILL)
        self.notes.wait_for("a note that nobody writes")


Fault = Callable[[Attempt], SplitResult]


@dataclass(frozen=True, slots=True)
class FaultyTask:
    """A task as the engine sees it, with a fault of this module."""

    task: LoadTask
    fault: str
    notes: Notes

    @property
    def job(self) -> str:
        return self.task.job

    @property
    def run_id(self) -> str:
        return self.task.run_id

    def run(self, split: Split, on_advance: Callable[[Advance], None]) -> SplitResult:
        """One attempt at a split."""
        for number in itertools.count():
            if self.notes.put(f"attempt-{split.index}-{number}", executor_pid()):
                break
        fault: Fault = getattr(sys.modules[__name__], self.fault)
        try:
            return fault(Attempt(self.task, split, on_advance, number, self.notes))
        finally:
            self.notes.put(f"ended-{split.index}-{number}")


def executor_pid() -> int:
    """The JVM that a Python worker works for: the worker's parent is a daemon, and the daemon's the JVM."""
    fields = Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()
    return int(fields[1])


def worker_dies_writing(attempt: Attempt) -> SplitResult:
    return _first_dies_writing(attempt, os.getpid())


def worker_dies_before_it_reports(attempt: Attempt) -> SplitResult:
    return _first_dies_before_it_reports(attempt, os.getpid())


def executor_dies_writing(attempt: Attempt) -> SplitResult:
    return _first_dies_writing(attempt, executor_pid())


def executor_dies_before_it_reports(attempt: Attempt) -> SplitResult:
    return _first_dies_before_it_reports(attempt, executor_pid())


def every_executor_of_split_0_dies(attempt: Attempt) -> SplitResult:
    return _dies_before_it_reports(attempt, executor_pid()) if attempt.split.index == 0 else attempt.load()


def every_worker_of_split_0_dies_beside_a_straggler(attempt: Attempt) -> SplitResult:
    """Split 1 goes on until Spark ends its worker."""
    if attempt.split.index != 0:
        attempt.notes.put("straggler", os.getpid())
        return attempt.load(attempt.pause)
    attempt.notes.wait_for("paused")
    return _dies_before_it_reports(attempt, os.getpid())


def executor_dies_after_its_report(attempt: Attempt) -> SplitResult:
    """The test kills the executor that loaded split 0, while that of split 1 waits."""
    if attempt.split.index != 0:
        attempt.notes.wait_for("go on")
    return attempt.load()


def straggles_before_it_begins(attempt: Attempt) -> SplitResult:
    if attempt.is_first_of_split_0:
        attempt.notes.wait_for("go on")
    return attempt.load()


def straggles_loading(attempt: Attempt) -> SplitResult:
    return attempt.load(attempt.pause if attempt.is_first_of_split_0 else None)


def straggles_before_it_reports(attempt: Attempt) -> SplitResult:
    result = attempt.load()
    if attempt.is_first_of_split_0:
        attempt.notes.wait_for("go on")
    return result


def split_0_has_a_bug(attempt: Attempt) -> SplitResult:
    if attempt.split.index == 0:
        raise TypeError("a bug in a task")
    return attempt.load()


def waits_for_the_test(attempt: Attempt) -> SplitResult:
    """Every attempt begins to load when the test lets it."""
    attempt.notes.wait_for("go on")
    return attempt.load()


def _first_dies_writing(attempt: Attempt, process_id: int) -> SplitResult:
    """The first attempt at split 0 dies with a file open; the others wait for that."""
    if not attempt.is_first_of_split_0:
        attempt.notes.wait_for("dead")
        return attempt.load()
    return attempt.load(lambda _: attempt.die(process_id))


def _first_dies_before_it_reports(attempt: Attempt, process_id: int) -> SplitResult:
    """The first attempt at split 0 dies when all its files are whole; the others wait for that."""
    if not attempt.is_first_of_split_0:
        attempt.notes.wait_for("dead")
        return attempt.load()
    return _dies_before_it_reports(attempt, process_id)


def _dies_before_it_reports(attempt: Attempt, process_id: int) -> SplitResult:
    result = attempt.load()
    attempt.die(process_id)
    return result
