"""This loader: by its local engine, or by processes that stay."""

import time
from typing import Any

from benchmark.children.jobs import open_turn_job
from benchmark.children.serving import Load, Turn, serve
from benchmark.children.warm_engine import WarmEngine
from loader.cli import process
from loader.engine.local import LocalEngine
from loader.operations.decisions import Decision
from loader.operations.listening import Step
from loader.operations.load import load
from loader.operations.plan import LoadPlan
from loader.values import Advance


class _Times:
    """When each step of a run began."""

    def __init__(self) -> None:
        self.began_s: dict[Step, float] = {}
        self.split_count = 0

    def step(self, step: Step) -> None:
        self.began_s[step] = time.monotonic()

    def planned(self, plan: LoadPlan) -> None:
        self.split_count = len(plan.splits)

    def advanced(self, advance: Advance) -> None:
        """Nobody watches."""

    def decided(self, decision: Decision) -> None:
        """Nobody watches."""


def _prepare(options: dict[str, Any]) -> Load:
    engine = WarmEngine(options["processes"]) if options.get("is_warm") else LocalEngine(options["processes"])
    sections = options.get("sections", {})

    def load_once(turn: Turn) -> dict[str, Any]:
        job = open_turn_job(turn, **sections)
        times = _Times()
        began_s = time.monotonic()
        report = load(job, engine, process.new_ticket, process.now_ms, process.is_dead, times)
        ended_s = time.monotonic()
        if report.exit_status or report.commit is None:
            raise RuntimeError(f"the load failed: {report.failures}")
        steps = {str(step): round(at - began_s, 4) for step, at in times.began_s.items()}
        return {
            "rows": report.commit.counts.row_count,
            # The whole run, as of Spark's source its planning and its commit count, too.
            "seconds": ended_s - began_s,
            "splits": times.split_count,
            "steps_began_s": steps,
            "peak_of_this_process_bytes": _peak_bytes(),
        }

    return load_once


def _peak_bytes() -> int:
    """The most memory that this process ever held: with one worker, the task runs in it."""
    with open("/proc/self/status") as status:  # noqa: PTH123
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    serve(_prepare)
