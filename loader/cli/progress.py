"""What a person sees of a run while it goes on: one live bar on a terminal, plain lines elsewhere.

What is decided goes to the log; the bar is only where that is text for people.
"""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from loader.cli import text
from loader.cli.decisions import tell, tell_plan
from loader.cli.logs import EventLog
from loader.operations.decisions import Decision
from loader.operations.listening import Step
from loader.operations.plan import LoadPlan
from loader.values import Advance

LINE_EVERY_S = 10.0

NARROW = 110
"""Columns of a terminal below which the bar is short and large numbers are rounded."""


class ProgressListener:
    """Tells the log of the plan and of each decision, and a terminal, too, how much is loaded.

    doing, done  what is done to the rows
    part         what these come in
    """

    def __init__(
        self, log: EventLog, *, doing: str = "loading", done: str = "loaded", part: str = "split"
    ) -> None:
        self._log = log
        self._doing, self._done, self._part = doing, done, part
        self._console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._total_offsets = self._total_splits = 0
        self._offset_count = self._row_count = self._fetched_bytes = self._split_count = 0
        self._began_s = self._told_s = time.monotonic()

    def __enter__(self) -> "ProgressListener":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def step(self, step: Step) -> None:
        """A step begins."""
        if step is Step.LOAD and self._total_offsets:
            self._began_s = self._told_s = time.monotonic()
            if self._console.is_terminal and not self._log.is_json:
                self._start_bar()
        if step is Step.CHECK:
            self._stop()

    def expect(self, offset_count: int, split_count: int) -> None:
        """How much there is to load."""
        self._total_offsets, self._total_splits = offset_count, split_count

    def planned(self, plan: LoadPlan) -> None:
        """The plan is made."""
        self.expect(plan.offset_count, len(plan.splits))
        tell_plan(self._log, plan)

    def decided(self, decision: Decision) -> None:
        """Something was decided, or done for good."""
        tell(self._log, decision)

    def advanced(self, advance: Advance) -> None:
        """Some of the plan is loaded."""
        if not self._offset_count:
            self._began_s = time.monotonic()  # before it lies the start of the workers, which is no rate
        self._offset_count += advance.offset_count
        self._row_count += advance.row_count
        self._fetched_bytes += advance.fetched_bytes
        self._split_count += advance.split_count
        if advance.retried_count:
            self._log.warning(
                "retried",
                f"begun again: {text.plural(advance.retried_count, 'attempt')} at a split died",
                attempt_count=advance.retried_count,
            )
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._offset_count, facts=self._facts())
        elif time.monotonic() - self._told_s >= LINE_EVERY_S:
            self._told_s = time.monotonic()
            self._tell_progress()

    def _tell_progress(self) -> None:
        percent = 100 * self._offset_count / max(self._total_offsets, 1)
        rate, left_s = self._rate_and_rest()
        self._log.info(
            "progress",
            f"{self._done} {percent:.0f} %: {self._facts()}",
            offset_count=self._offset_count,
            row_count=self._row_count,
            fetched_bytes=self._fetched_bytes,
            split_count=self._split_count,
            rows_per_s=None if rate is None else round(rate),
            left_s=None if left_s is None else round(left_s),
        )

    def _rate_and_rest(self) -> tuple[float | None, float | None]:
        """Rows per second, and the seconds that the rest takes at this rate; None while nobody can know."""
        seconds = time.monotonic() - self._began_s
        if seconds < 0.5 or not self._offset_count:
            return None, None
        left = max(self._total_offsets - self._offset_count, 0)
        return self._row_count / seconds, seconds * left / self._offset_count

    def _facts(self) -> str:
        is_narrow = self._bar is not None and self._console.width < NARROW
        number = text.rounded if is_narrow else text.count
        rate, left_s = self._rate_and_rest()
        facts = [f"{number(self._row_count)} rows", text.size(self._fetched_bytes)]
        if rate is not None:
            facts.append(f"{number(round(rate))} rows/s")
        facts.append(f"{self._split_count}/{text.plural(self._total_splits, self._part)}")
        if left_s:
            facts.append(f"{text.duration(left_s)} left")
        return ", ".join(facts)

    def _start_bar(self) -> None:
        is_narrow = self._console.width < NARROW
        self._bar = Progress(
            *([] if is_narrow else [TextColumn(self._doing)]),
            BarColumn(bar_width=8 if is_narrow else 24),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[facts]}"),
            console=self._console,
        )
        self._task = self._bar.add_task("load", total=self._total_offsets, facts="starting workers")
        self._bar.start()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
