"""Where the benchmark keeps what it makes, and the servers it keeps there."""

from pathlib import Path

from local_services.hdfs import HdfsCluster
from local_services.kafka import KafkaCluster

CHECKOUT = Path(__file__).resolve().parents[2]
STATE_FOLDER = CHECKOUT / ".services" / "benchmark"
"""Servers and their data, which stay for the next benchmark. Git ignores it."""

OUTPUT_FOLDER = STATE_FOLDER / "output"
RESULTS_FILE = Path(__file__).with_name("results.json")
PLOT_FILE = Path(__file__).with_name("results.svg")
TABLES_FILE = Path(__file__).with_name("RESULTS.md")

BROKER_HEAP_MIB = 2048
_KEPT = {
    # Records are of a fixed date: retention would delete them at once.
    "log.retention.ms": "-1",
    "log.retention.bytes": "-1",
    "log.segment.bytes": str(1024**3),
    "message.max.bytes": "8388608",
    # No leader moves or index is flushed in the middle of a turn.
    "auto.leader.rebalance.enable": "false",
}


def open_kafka(folder: Path = STATE_FOLDER / "kafka") -> KafkaCluster:
    """The broker that keeps the workloads, as in production: not started for speed of starting."""
    return KafkaCluster(folder, properties=_KEPT, fast_start=False, heap_mib=BROKER_HEAP_MIB)


def open_hdfs() -> HdfsCluster:
    """The file system of W8."""
    return HdfsCluster(STATE_FOLDER / "hdfs", fast_start=False, heap_mib=1024)
