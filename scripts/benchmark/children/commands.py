"""Whole commands, as cron or a person starts them: every turn is a new process, its start included."""

import csv
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark.children.jobs import write_job
from benchmark.children.serving import Load, Turn, serve
from benchmark.places import CHECKOUT

DEADLINE_S = 600.0


def _spark_submit(turn: Turn, options: dict[str, Any]) -> list[str]:
    return [*_submit(options), str(CHECKOUT / "jobs" / "load.py"), _job_file(turn)]


def _local(turn: Turn, _: dict[str, Any]) -> list[str]:
    return [_program("kafka-loader"), "run", _job_file(turn), "--engine", "local"]


def _spark_source(turn: Turn, options: dict[str, Any]) -> list[str]:
    script = str(Path(__file__).with_name("spark_job.py"))
    compression = ("--conf", "spark.sql.parquet.compression.codec=zstd")
    return [*_submit(options), "--jars", ",".join(options["jars"]), *compression, script, _turn_text(turn)]


def _consumer_perf(turn: Turn, options: dict[str, Any]) -> list[str]:
    (topic,) = turn.ends
    return [
        *(options["java"], "-Xmx1g", "-cp", options["kafka_classpath"]),
        *("org.apache.kafka.tools.ConsumerPerformance", "--bootstrap-server", turn.bootstrap_servers),
        *(
            "--topic",
            topic,
            "--num-records",
            str(turn.row_count),
            "--group",
            f"benchmark-{secrets.token_hex(6)}",
        ),
    ]


COMMANDS: dict[str, Callable[[Turn, dict[str, Any]], list[str]]] = {
    "spark-submit": _spark_submit,
    "local": _local,
    "spark-source": _spark_source,
    "consumer-perf": _consumer_perf,
}


def _submit(options: dict[str, Any]) -> list[str]:
    return [_program("spark-submit"), "--master", f"local[{options['processes']}]"]


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _job_file(turn: Turn) -> str:
    path = Path(f"{turn.folder}.toml")
    write_job(path, turn)
    return str(path)


def _turn_text(turn: Turn) -> str:
    return json.dumps({name: getattr(turn, name) for name in Turn.__slots__})


def _prepare(options: dict[str, Any]) -> Load:
    command_of = COMMANDS[options["command"]]
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}

    def load_once(turn: Turn) -> dict[str, Any]:
        command = command_of(turn, options)
        began_s = time.monotonic()
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=environment,
            cwd=options["scratch"],
            timeout=DEADLINE_S,
            check=False,
        )
        seconds = time.monotonic() - began_s
        _reap_orphans()
        if ended.returncode:
            raise RuntimeError(f"{command[0]} ended with status {ended.returncode}:\n{ended.stderr[-3000:]}")
        answer = {"rows": turn.row_count, "seconds": seconds}
        if options["command"] == "consumer-perf":
            answer |= _told_by_consumer_perf(ended.stdout)
        return answer

    return load_once


def _told_by_consumer_perf(output: str) -> dict[str, Any]:
    """Its own figures: the time of fetching alone, without the JVM's start and joining a group."""
    lines = [line for line in output.splitlines() if "," in line]
    names, values = (next(csv.reader([line], skipinitialspace=True)) for line in lines[-2:])
    told = dict(zip(names, values, strict=True))
    return {"rows": int(told["data.consumed.in.nMsg"]), "seconds": float(told["fetch.time.ms"]) / 1000}


def _reap_orphans(deadline_s: float = 10) -> None:
    """Wait for what the command left running, so that its CPU time counts: Spark's Python workers, mostly."""
    give_up = time.monotonic() + deadline_s
    while time.monotonic() < give_up:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            time.sleep(0.02)


if __name__ == "__main__":
    serve(_prepare)
