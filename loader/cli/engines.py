"""Which engine runs the splits."""

import os
import sys
from enum import StrEnum

from loader.engine.protocol import Engine
from loader.errors import ConfigError


class EngineName(StrEnum):
    """As `--engine` spells them."""

    LOCAL = "local"
    SPARK = "spark"


def open_engine(name: EngineName, processes: int | None) -> Engine:
    """The engine of that name. Neither a process nor Spark is started before there is work."""
    if name is EngineName.LOCAL:
        from loader.engine.local import LocalEngine

        return LocalEngine(processes)
    if processes is not None:
        raise ConfigError(["--processes is for --engine local; give Spark its cores by spark-submit"])
    from loader.engine.spark import SparkEngine

    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        # Not by spark-submit, which chooses the workers' Python: theirs is then the one that runs this.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    return SparkEngine()
