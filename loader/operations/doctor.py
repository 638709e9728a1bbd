"""Everything that a run needs, looked at one by one, from what is cheap to what is dear."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from loader.engine.protocol import Engine
from loader.errors import RunAgainLater
from loader.operations.checks.brokers import check_bootstrap, check_brokers, check_rights
from loader.operations.checks.check import Check, looked_at
from loader.operations.checks.decoding import check_codecs, check_crc, check_kernel_cache
from loader.operations.checks.destination import check_destination, check_ledger
from loader.operations.checks.registry import check_registry
from loader.operations.checks.software import check_java, check_packages
from loader.operations.job import Job

HERE_LIMIT_S = 60.0
"""For what this machine does by itself; a cold cache of kernels and a slow disk are in it."""

ASKING_LIMIT_S = 60.0
"""For the brokers, the destination or the registry. Requests in it have shorter limits of their own."""

SPARK_LIMIT_S = 180.0
"""For Spark: a cluster may have to give it executors first."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the checks take from around the process.

    probe_id  names files that are written to be looked at; unique
    """

    java_home: str | None
    search_path: str
    probe_id: str
    now_ms: Callable[[], int]


def diagnose(job: Job, engine: Engine, around: Surroundings) -> Iterator[Check]:
    """Look at everything, and give each check as it is done. Leaves nothing behind, and raises nothing.

    What only a destination or brokers that do not answer could tell is left out; that they do not is told.
    """
    with_spark = engine.name == "spark"
    extras = frozenset(
        "formats"
        for entry in job.config.topics
        for side in (entry.value, entry.key)
        if side.format in ("avro", "protobuf")
    )

    def java() -> Iterator[Check]:
        return check_java(around.java_home, around.search_path, is_needed=with_spark)

    yield from looked_at("packages", HERE_LIMIT_S, lambda: check_packages(extras))
    yield from looked_at("java", HERE_LIMIT_S, java)
    yield from looked_at("crc32c", HERE_LIMIT_S, check_crc)
    probe = around.probe_id
    destination = looked_at(
        "destination", ASKING_LIMIT_S, lambda: check_destination(job, probe, around.now_ms)
    )
    yield from destination
    # One that does not answer makes everybody wait once, not each who asks it.
    storage_answers = all(check.exit_status != RunAgainLater.exit_status for check in destination)
    if storage_answers:
        yield from looked_at("ledger", ASKING_LIMIT_S, lambda: check_ledger(job))
    brokers_limit_s = ASKING_LIMIT_S + 10 * len(job.kafka.bootstrap_servers)
    bootstrap = looked_at("bootstrap", brokers_limit_s, lambda: check_bootstrap(job.kafka))
    yield from bootstrap
    if any(check.exit_status == 0 for check in bootstrap):  # else nobody is there to be asked
        yield from looked_at("brokers", brokers_limit_s, lambda: check_brokers(job.kafka))
        yield from looked_at(
            "rights", ASKING_LIMIT_S, lambda: check_rights(job, storage_answers=storage_answers)
        )
    registry = job.registry
    if registry is not None:
        yield from looked_at("schema registry", ASKING_LIMIT_S, lambda: check_registry(registry))
    yield from looked_at("kernel cache", HERE_LIMIT_S, check_kernel_cache)
    yield from looked_at("codecs", HERE_LIMIT_S, check_codecs)
    if with_spark:
        yield from looked_at("spark", SPARK_LIMIT_S, lambda: check_executors(job, engine, probe))


def check_executors(job: Job, engine: Engine, probe_id: str) -> Iterator[Check]:
    """Spark's executors; imported late, since pyspark takes long."""
    from loader.operations.checks import executors

    return executors.check_executors(job, engine, probe_id)
