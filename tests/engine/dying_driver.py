"""A driver whose JVM is killed while a task is at work; prints how the load ends."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from pyspark import SparkConf, SparkContext

from loader.engine.spark import SparkEngine
from loader.errors import WorkersLost
from loader.task import LoadTask
from loader.values import Advance, Split, SplitResult
from local_services.java import FAST_START_OPTIONS

from .fakes import RANGE, FakeTask


class Sleeping(FakeTask):
    """Tells that it is at work, and does not end by itself."""

    def __init__(self, sign: Path) -> None:
        self._sign = sign

    def run(self, split: Split, on_advance: Callable[[Advance], None]) -> SplitResult:
        self._sign.touch()
        time.sleep(120)
        return super().run(split, on_advance)


def main(sign: Path) -> None:
    """Load, and die at it."""
    conf = SparkConf().setMaster("local[1]").set("spark.ui.enabled", "false")
    conf.set("spark.driver.extraJavaOptions", " ".join(FAST_START_OPTIONS))
    engine = SparkEngine(conf)
    jvm = SparkContext.getOrCreate(conf)._gateway.proc.pid  # type: ignore[union-attr]

    def kill() -> None:
        while not sign.exists():
            time.sleep(0.05)
        os.kill(jvm, signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    try:
        engine.run(cast(LoadTask, Sleeping(sign)), [Split(0, (RANGE,), 0)], lambda _: None)
    except WorkersLost as error:
        print(f"lost: {error}", flush=True)
        os._exit(error.exit_status)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
