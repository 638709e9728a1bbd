"""jobs/load.py for spark-submit, by a driver that falls asleep on the way, where LOADER_TEST_SLEEP says.

    commit  it stops itself when all is checked, just before the commit
    load    its tasks wait for the test, which stops it meanwhile

LOADER_TEST_NOTES is the folder of the run's notes.
"""

import os
import runpy
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast
from unittest.mock import patch

from loader.engine.spark import SparkEngine
from loader.operations.listening import Step
from loader.task import LoadTask
from loader.values import Advance, Split, SplitResult
from tests.end_to_end.crashes import Interruption
from tests.end_to_end.faulty_tasks import FaultyTask
from tests.end_to_end.jobs import REPOSITORY
from tests.end_to_end.notes import Notes


def main() -> None:
    """Load."""
    notes = Notes(Path(os.environ["LOADER_TEST_NOTES"]))
    sleeps_at = Step(os.environ["LOADER_TEST_SLEEP"])

    def fall_asleep() -> None:
        notes.put("driver", os.getpid())
        if sleeps_at is Step.COMMIT:
            os.kill(os.getpid(), signal.SIGSTOP)

    def run_waiting(
        engine: SparkEngine, task: LoadTask, splits: Sequence[Split], on_advance: Callable[[Advance], None]
    ) -> list[SplitResult]:
        waiting = FaultyTask(task, "waits_for_the_test", notes)
        return run_splits(engine, cast(LoadTask, waiting), splits, on_advance)

    run_splits = SparkEngine.run
    with (
        patch("loader.cli.run.ProgressListener", lambda _: Interruption(sleeps_at, fall_asleep)),
        patch.object(SparkEngine, "run", run_waiting if sleeps_at is Step.LOAD else run_splits),
    ):
        runpy.run_path(str(REPOSITORY / "jobs" / "load.py"), run_name="__main__")


if __name__ == "__main__":
    main()
