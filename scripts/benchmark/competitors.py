"""Who takes part, on which workloads, and how each is started."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.places import CHECKOUT, STATE_FOLDER
from benchmark.spark_jars import spark_jars
from benchmark.workloads import LARGE, MAIN, PROTOBUF, QUICK
from local_services.artifacts import KAFKA
from local_services.java import find_java

PROCESSES = 2
ANSWER_S = 900.0
"""How long one turn, or the start of a competitor, may take."""

SCRATCH = STATE_FOLDER / "scratch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Competitor:
    """One way to load.

    module       below benchmark.children
    workloads    on which it runs
    warms_up     its first turn in a process does not count
    is_fresh     every turn has a new process, whose start is not measured
    is_checked   it writes rows that can be compared; else its count of records is
    most_turns   by workload, where a turn takes so long that fewer must do
    """

    name: str
    what: str
    module: str
    options: Mapping[str, Any] = field(default_factory=dict)
    workloads: tuple[str, ...]
    warms_up: bool = False
    is_fresh: bool = False
    is_checked: bool = True
    needs_spark_jars: bool = False
    most_turns: Mapping[str, int] = field(default_factory=dict)

    def turns(self, workload: str, wanted: int) -> int:
        """How many turns count, of `wanted`."""
        return min(wanted, self.most_turns.get(workload, wanted))

    def start(self) -> "Child":
        """A process that waits for turns."""
        options = {**self.options, "scratch": str(SCRATCH)}
        if self.needs_spark_jars:
            options["jars"] = [str(jar) for jar in spark_jars()]
        if options.get("command") == "consumer-perf":
            options |= {"java": str(find_java()), "kafka_classpath": KAFKA.classpath()}
        return Child(self.name, self.module, options)


class Child:
    """A competitor's process. `with child:` ends it; it is ready when the body begins."""

    def __init__(self, name: str, module: str, options: Mapping[str, Any]) -> None:
        self._name = name
        SCRATCH.mkdir(parents=True, exist_ok=True)
        self._log = SCRATCH / f"{name}.log"
        paths = (CHECKOUT / "scripts", CHECKOUT)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"benchmark.children.{module}", json.dumps(options)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
                cwd=SCRATCH,
            )
        self._answer()

    @property
    def pid(self) -> int:
        """Of its process, the root of all that it starts."""
        return self._process.pid

    def load(self, turn: Mapping[str, Any]) -> dict[str, Any]:
        """Have it load once; its answer. Raises BenchmarkError when it fails."""
        assert self._process.stdin is not None  # noqa: S101  a pipe was asked for
        self._process.stdin.write(json.dumps(turn) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def stop(self) -> None:
        """End it: by the end of its stdin, and by a signal when it does not follow."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101  a pipe was asked for
        give_up = time.monotonic() + ANSWER_S
        # One line answers one line, so nothing can wait in the buffer above the pipe.
        ready, _, _ = select.select([self._process.stdout], [], [], ANSWER_S)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self._process.kill()
            how = "ended" if time.monotonic() < give_up else f"did not answer within {ANSWER_S:g} s"
            raise BenchmarkError(f"{self._name} {how}: {_tail(self._log)}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            self.stop()
            raise BenchmarkError(f"{self._name} failed: {answer['error']}")
        return answer


def _tail(log: Path) -> str:
    return f"see {log}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-15:])


_TWO = {"processes": PROCESSES}
_WITH_PEERS = tuple(name for name in MAIN if name not in LARGE)

_ALL = (
    Competitor(
        name="loader",
        what="this loader, 2 processes, warm: a whole run from ledger to published files",
        module="loader",
        options={**_TWO, "is_warm": True},
        workloads=(*MAIN, *QUICK),
        warms_up=True,
    ),
    Competitor(
        name="spark",
        what="Spark's Kafka source to Parquet, local[2], warm JVM",
        module="spark",
        options=_TWO,
        workloads=(*(name for name in _WITH_PEERS if name != PROTOBUF), *QUICK),
        warms_up=True,
        needs_spark_jars=True,
        most_turns={"W6": 2},  # of nearly two minutes each
    ),
    Competitor(
        name="loader-1",
        what="this loader, 1 process, warm",
        module="loader",
        options={"processes": 1},
        workloads=_WITH_PEERS,
        warms_up=True,
    ),
    Competitor(
        name="loader-first",
        what="this loader by its local engine, 2 processes, first run in the process: starts its workers",
        module="loader",
        options=_TWO,
        workloads=("W1",),
        is_fresh=True,
    ),
    Competitor(
        name="spark-first",
        what="Spark's Kafka source, first run in the JVM",
        module="spark",
        options=_TWO,
        workloads=("W1",),
        is_fresh=True,
        needs_spark_jars=True,
    ),
    Competitor(
        name="confluent",
        what="confluent-kafka consume(10000), queue backoff 10 ms, and pyarrow's ParquetWriter, one process",
        module="clients",
        options={"client": "confluent"},
        workloads=("W1", "W3", "W9", *QUICK),
    ),
    Competitor(
        name="confluent-defaults",
        what="the same with all settings as they come",
        module="clients",
        options={"client": "confluent-defaults"},
        workloads=("W1",),
    ),
    Competitor(
        name="kafka-python",
        what="KafkaConsumer and pyarrow's ParquetWriter, one process",
        module="clients",
        options={"client": "kafka-python"},
        workloads=("W1",),
        most_turns={"W1": 2},
    ),
    Competitor(
        name="consumer-perf",
        what="Kafka's ConsumerPerformance (Java), which writes nothing; its own fetch time",
        module="commands",
        options={"command": "consumer-perf"},
        workloads=("W1", "W3"),
        is_checked=False,
    ),
    Competitor(
        name="raw-fetch",
        what="limit: fetches only, 2 processes, bytes thrown away",
        module="limits",
        options={**_TWO, "limit": "raw-fetch"},
        workloads=("W1", "W3"),
        warms_up=True,
        is_checked=False,
    ),
    Competitor(
        name="parquet-only",
        what="limit: Parquet of the same Arrow rows from memory, 2 processes",
        module="limits",
        options={**_TWO, "limit": "parquet-only"},
        workloads=("W1", "W3"),
        warms_up=True,
    ),
    Competitor(
        name="ideal",
        what="limit: both at once, in two threads of each of 2 processes",
        module="limits",
        options={**_TWO, "limit": "ideal"},
        workloads=("W1", "W3"),
        warms_up=True,
    ),
    Competitor(
        name="command-local",
        what="whole command: kafka-loader run --engine local",
        module="commands",
        options={**_TWO, "command": "local"},
        workloads=("W1",),
    ),
    Competitor(
        name="command-spark-submit",
        what="whole command: spark-submit jobs/load.py",
        module="commands",
        options={**_TWO, "command": "spark-submit"},
        workloads=("W1",),
    ),
    Competitor(
        name="command-spark-source",
        what="whole command: spark-submit of a script around Spark's Kafka source",
        module="commands",
        options={**_TWO, "command": "spark-source"},
        workloads=("W1",),
        needs_spark_jars=True,
    ),
)

COMPETITORS = {competitor.name: competitor for competitor in _ALL}
