"""This side of the conversation with the benchmark."""

import ctypes
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Turn:
    """What to load, and where to.

    ends     the end offset of each partition, by topic
    output   URL of an empty folder that is this turn's alone
    format   of the values: raw, json, avro or protobuf
    """

    workload: str
    bootstrap_servers: str
    ends: dict[str, list[int]]
    row_count: int
    output: str
    format: str = "raw"

    @property
    def folder(self) -> str:
        """The output folder as a local path."""
        return self.output.removeprefix("file://")


Load = Callable[[Turn], dict[str, Any]]
"""Loads once; returns at least rows and seconds."""


def serve(prepare: Callable[[dict[str, Any]], Load]) -> None:
    """Prepare as the options say, which are the first argument; tell when that is done; load at each line."""
    # Processes that outlive their parent come to this one: their CPU time is this competitor's.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the benchmark ends stdin
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    load = prepare(json.loads(sys.argv[1]))
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin:
        try:
            answer = load(Turn(**json.loads(line)))
        except Exception:  # whatever it is, the benchmark must hear of it
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers)
