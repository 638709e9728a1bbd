"""What a person sees of a run while it goes on: one live bar on a terminal, plain lines elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from loader.cli import text
from loader.operations.load import Step
from loader.operations.plan import LoadPlan
from loader.values import Advance

LINE_EVERY_S = 10.0


class ProgressListener:
    """Tells standard error of the plan, of how much of it is loaded, and of the steps behind that."""

    def __init__(self, engine_name: str) -> None:
        self._engine_name = engine_name
        self._console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._total_offsets = 0
        self._offset_count = self._row_count = self._fetched_bytes = 0
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
            if self._console.is_terminal:
                self._start_bar()
        if step is Step.CHECK:
            self._stop()
        if step in (Step.COMMIT, Step.PUBLISH):
            text.warn({Step.COMMIT: "committing", Step.PUBLISH: "publishing"}[step])

    def planned(self, plan: LoadPlan) -> None:
        """The plan is made."""
        self._total_offsets = plan.offset_count
        if plan.failures:
            text.warn(f"cannot be loaded, reasons follow at the end: {', '.join(sorted(plan.failures))}")
        for partition, reason in sorted(plan.unlisted.items()):
            text.warn(f"not asked: {partition} keeps its position ({reason})")
        for partition, count in sorted(plan.held_back.items()):
            text.warn(f"an open transaction holds back {text.plural(count, 'offset')} of {partition}")
        if plan.splits:
            topics = len({sized.range.topic for sized in plan.limited.ranges})
            text.warn(
                f"planned {text.plural(plan.offset_count, 'offset')} of {text.plural(topics, 'topic')},"
                f" about {text.size(plan.estimated_bytes)}, as {text.plural(len(plan.splits), 'split')}"
                f" on the {self._engine_name} engine"
            )
        if plan.limited.remaining:
            text.warn(
                f"limits leave {text.plural(plan.limited.remaining_offsets, 'offset')}, about"
                f" {text.size(plan.limited.remaining_bytes)}, to the next runs"
            )

    def advanced(self, advance: Advance) -> None:
        """Some of the plan is loaded."""
        if not self._offset_count:
            self._began_s = time.monotonic()  # before it lies the start of the workers, which is no rate
        self._offset_count += advance.offset_count
        self._row_count += advance.row_count
        self._fetched_bytes += advance.fetched_bytes
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._offset_count, facts=self._facts())
        elif time.monotonic() - self._told_s >= LINE_EVERY_S:
            self._told_s = time.monotonic()
            percent = 100 * self._offset_count / max(self._total_offsets, 1)
            text.warn(f"loaded {percent:.0f} %: {self._facts()}")

    def _facts(self) -> str:
        facts = f"{text.count(self._row_count)} rows, {text.size(self._fetched_bytes)}"
        seconds = time.monotonic() - self._began_s
        if seconds < 0.5 or not self._offset_count:
            return facts
        facts += f", {text.count(round(self._row_count / seconds))} rows/s"
        left = max(self._total_offsets - self._offset_count, 0)
        return f"{facts}, {text.duration(seconds * left / self._offset_count)} left" if left else facts

    def _start_bar(self) -> None:
        self._bar = Progress(
            TextColumn("loading"),
            BarColumn(bar_width=24),
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
