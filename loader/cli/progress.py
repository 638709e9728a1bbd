"""What a person sees of a run while it goes on: one live bar on a terminal, plain lines elsewhere."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from loader.cli import text
from loader.engine.protocol import SplitDone
from loader.operations.load import Step
from loader.operations.plan import LoadPlan

LINE_EVERY_S = 10.0


class ProgressListener:
    """Tells standard error of the plan, of splits as they come back, and of the steps behind them."""

    def __init__(self, engine_name: str) -> None:
        self._engine_name = engine_name
        self._console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._plan: LoadPlan | None = None
        self._row_count = self._fetched_bytes = self._split_count = 0
        self._started_s = self._first_done_s = self._told_s = time.monotonic()

    def __enter__(self) -> "ProgressListener":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def step(self, step: Step) -> None:
        """A step begins."""
        if step is Step.LOAD and self._plan is not None and self._plan.splits:
            self._started_s = self._told_s = time.monotonic()
            if self._console.is_terminal:
                self._start_bar(len(self._plan.splits))
        if step is Step.CHECK:
            self._stop()
        if step in (Step.COMMIT, Step.PUBLISH):
            self._line({Step.COMMIT: "committing", Step.PUBLISH: "publishing"}[step])

    def planned(self, plan: LoadPlan) -> None:
        """The plan is made."""
        self._plan = plan
        for topic, error in sorted(plan.failures.items()):
            self._line(f"not loaded: {topic}: {error}")
        for partition, reason in sorted(plan.unlisted.items()):
            self._line(f"not asked: {partition} keeps its position ({reason})")
        if plan.splits:
            topics = len({sized.range.topic for sized in plan.limited.ranges})
            self._line(
                f"planned {text.plural(plan.offset_count, 'offset')} of {text.plural(topics, 'topic')},"
                f" about {text.size(plan.estimated_bytes)}, as {text.plural(len(plan.splits), 'split')}"
                f" on the {self._engine_name} engine"
            )
        if plan.limited.remaining:
            self._line(
                f"limits leave {text.plural(plan.limited.remaining_offsets, 'offset')}, about"
                f" {text.size(plan.limited.remaining_bytes)}, to the next runs"
            )

    def split_done(self, done: SplitDone) -> None:
        """A split came back."""
        if not self._split_count:
            self._first_done_s = time.monotonic()
        self._split_count += 1
        self._row_count += done.row_count
        self._fetched_bytes += done.fetched_bytes
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._split_count, facts=self._facts())
        elif time.monotonic() - self._told_s >= LINE_EVERY_S:
            self._told_s = time.monotonic()
            self._line(f"loaded {self._split_count} of {self._total} splits: {self._facts()}")

    @property
    def _total(self) -> int:
        return len(self._plan.splits) if self._plan else 0

    def _facts(self) -> str:
        seconds = max(time.monotonic() - self._started_s, 0.001)
        rate = text.count(round(self._row_count / seconds))
        facts = f"{text.count(self._row_count)} rows, {text.size(self._fetched_bytes)}, {rate} rows/s"
        left = self._total - self._split_count
        # From the first split on: before it lies the start of the workers, which is not repeated.
        since_first_s = time.monotonic() - self._first_done_s
        if left and self._split_count > 1:
            facts += f", {text.duration(since_first_s / (self._split_count - 1) * left)} left"
        return facts

    def _start_bar(self, total: int) -> None:
        self._bar = Progress(
            TextColumn("loading"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed}/{task.total} splits"),
            TextColumn("{task.fields[facts]}"),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._task = self._bar.add_task("load", total=total, facts="")
        self._bar.start()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _line(self, line: str) -> None:
        if self._bar is None and sys.stderr is not None:
            text.warn(line)
