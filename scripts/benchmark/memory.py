"""The most memory that the process of a single task ever holds: a whole workload as one task, one process."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmark.competitors import Competitor
from benchmark.places import open_hdfs
from benchmark.producing import ready_workload
from benchmark.results import today
from benchmark.running import run_in_turn
from benchmark.workloads import MAIN, WORKLOADS
from local_services.hdfs import HdfsCluster
from local_services.kafka import KafkaCluster

LARGEST = "M10"
"""The workload whose one range is 10 GB of log."""

ONE_TASK = Competitor(
    name="one-task",
    what="this loader, all of the workload as one task in one process",
    module="loader",
    options={"processes": 1, "sections": {"plan": {"target_split_bytes": 1024**4}}},
    workloads=(*MAIN, LARGEST),
    is_fresh=True,
)


def measure_memory(kafka: KafkaCluster, memory: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Peak of the resident set by workload, as the kernel keeps it (VmHWM): no sampling misses it."""
    tasks: dict[str, Any] = {}
    with ExitStack() as stack:
        hdfs: HdfsCluster | None = None
        for name in ONE_TASK.workloads:
            workload = WORKLOADS[name]
            if workload.into_hdfs and hdfs is None:
                hdfs = stack.enter_context(open_hdfs())
            ready = ready_workload(kafka, workload, memory, say)
            (turn,) = run_in_turn(ready, [ONE_TASK], 1, (), say, hdfs)[ONE_TASK.name]
            tasks[name] = {
                "peak_bytes": turn["peak_of_this_process_bytes"],
                "tasks": turn["splits"],
                "seconds": round(turn["seconds"], 2),
            }
    return {"date": today(), "tasks": tasks}
