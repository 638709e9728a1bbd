"""A driver that runs one split, and prints as JSON what Spark it ran on."""

import json
from typing import cast

from pyspark import SparkContext

from loader.engine.spark import SparkEngine
from loader.task import LoadTask
from loader.values import Split
from tests.engine.fakes import RANGE, FakeTask


def main() -> None:
    """Run it as a load does."""
    engine = SparkEngine()
    engine.prepare(1)
    engine.run(cast(LoadTask, FakeTask()), [Split(0, (RANGE,), 0)], lambda _: None)
    context = SparkContext.getOrCreate()
    found = context.getConf()
    told = {
        "slots": engine.slots,
        "master": context.master,
        "name": context.appName,
        "log_level": found.get("spark.log.level"),
        "memory": found.get("spark.executor.memory"),
    }
    print(f"\n{json.dumps(told)}", flush=True)


if __name__ == "__main__":
    main()
