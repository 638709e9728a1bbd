"""Spark's executors: do they run this program, see the destination, and reach the brokers."""

import sys
from collections.abc import Iterator

import loader
from loader.engine.protocol import Engine
from loader.operations.checks.brokers import impatient
from loader.operations.checks.check import Check, bad, fine
from loader.operations.checks.destination import PROBE, probe_folder
from loader.operations.job import Job

SHIP = (
    "Install the package for the executors' Python (PYSPARK_PYTHON), or ship an environment (spark.archives)."
)


def check_executors(job: Job, engine: Engine, probe_id: str) -> Iterator[Check]:
    """Start Spark, and let every slot do once what tasks do; raises where Spark does not start."""
    from loader.engine.executor_probe import ExecutorProbe
    from loader.engine.spark import SparkEngine
    from loader.engine.spark_probe import SparkProbe

    assert isinstance(engine, SparkEngine)  # noqa: S101  the caller asked for Spark
    spark = SparkProbe(engine)
    try:
        yield fine("spark", f"{spark.description}, {spark.slots} tasks at once")
        pythons = spark.pythons()
        missing = sorted({f"{each.host}: {each.problem}" for each in pythons if not each.package})
        others = sorted({f"{each.host}: {each.package}" for each in pythons if each.package})
        hosts = len({each.host for each in pythons})
        if missing:
            found = f"{pythons[0].executable} there cannot import this package: {'; '.join(missing)}"
            yield bad("executors", found, SHIP, 2)
            return
        if {each.package for each in pythons} != {loader.__version__}:
            found = f"other versions of this package than {loader.__version__}: {'; '.join(others)}"
            yield bad("executors", found, SHIP, 2)
            return
        version = ".".join(map(str, sys.version_info[:2]))
        on = f"{hosts} host{'' if hosts == 1 else 's'}"
        yield fine("executors", f"Python {version} with kafka-loader {loader.__version__} on {on}")
        with probe_folder(job, f"{probe_id}-spark") as folder:
            with job.storage.create(f"{folder}/driver") as file:
                file.write(PROBE)
            probe = ExecutorProbe(impatient(job.kafka), job.storage.url, folder, PROBE)
            found_there = spark.findings(probe)
            written = set(job.storage.names(folder))
    finally:
        spark.close()
    unseen = sorted(each.place for each in found_there if not each.storage and each.place not in written)
    storage = sorted({f"{each.place}: {each.storage}" for each in found_there if each.storage})
    storage += [f"{place}: the driver does not see what was written there" for place in unseen]
    if storage:
        to_do = "Use hdfs://, or a file system that is mounted at the same place on every host."
        yield bad("executors' destination", "; ".join(storage), to_do, 2)
    else:
        yield fine("executors' destination", "what the driver writes is read there, and the reverse")
    brokers = sorted({f"{each.place}: {each.brokers}" for each in found_there if each.brokers})
    if brokers:
        to_do = "Open the way from the executors' hosts to the brokers (DNS, firewall)."
        yield bad("executors' brokers", "; ".join(brokers), to_do, 3)
    else:
        yield fine("executors' brokers", "all can be reached from there")
