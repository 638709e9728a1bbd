"""What a turn cost: wall time, CPU seconds of a whole tree of processes, and the most memory it held.

From /proc, so Linux only. Processes that end within a turn are counted by the parent that waited for them.
"""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmark.errors import BenchmarkError

SAMPLES_PER_S = 20
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a turn cost.

    cpu_s           user and system time of the competitor's processes; the brokers' is apart
    peak_rss_bytes  the largest sum over its processes, sampled; pages that they share count for each
    """

    wall_s: float
    cpu_s: float
    server_cpu_s: float
    peak_rss_bytes: int


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    cpu_ticks: int
    rss_bytes: int


class Meter:
    """Measures the body of a `with`: the tree of processes below `root`, and the servers apart."""

    def __init__(self, root: int, servers: tuple[int, ...] = ()) -> None:
        self._root = root
        self._servers = servers
        self._ended = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._peak_rss_bytes = 0
        self.cost = Cost(0, 0, 0, 0)

    def __enter__(self) -> Self:
        self._sampler.start()
        self._cpu_before, self._servers_before = self._cpu_ticks()
        self._began_s = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        wall_s = time.monotonic() - self._began_s
        cpu, servers = self._cpu_ticks()
        self._ended.set()
        self._sampler.join()
        self.cost = Cost(
            wall_s,
            (cpu - self._cpu_before) / _TICKS_PER_S,
            (servers - self._servers_before) / _TICKS_PER_S,
            self._peak_rss_bytes,
        )

    def _cpu_ticks(self) -> tuple[int, int]:
        found = _processes()
        servers = sum(found[pid].cpu_ticks for pid in self._servers if pid in found)
        return sum(process.cpu_ticks for process in _tree(found, self._root)), servers

    def _sample(self) -> None:
        while True:
            rss_bytes = sum(process.rss_bytes for process in _tree(_processes(), self._root))
            self._peak_rss_bytes = max(self._peak_rss_bytes, rss_bytes)
            if self._ended.wait(1 / SAMPLES_PER_S):
                return


def _tree(found: dict[int, _Process], root: int) -> list[_Process]:
    """The process and all below it."""
    children: dict[int, list[int]] = {}
    for pid, process in found.items():
        children.setdefault(process.parent, []).append(pid)
    tree, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        if pid in found:
            tree.append(found[pid])
        waiting += children.get(pid, ())
    return tree


def _processes() -> dict[int, _Process]:
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208  20 times a second: names are enough
        if not name.isdigit():
            continue
        try:
            text = Path("/proc", name, "stat").read_text()
        except OSError:  # ended meanwhile
            continue
        # After the name, which is in parentheses and may hold spaces; field 3 of proc(5) is the first here.
        fields = text.rpartition(")")[2].split()
        cpu_ticks = sum(map(int, fields[11:15]))  # utime, stime, and those of children that were waited for
        found[int(name)] = _Process(int(fields[1]), cpu_ticks, int(fields[21]) * _PAGE_BYTES)
    return found


def timed_command(command: Sequence[str], folder: Path) -> dict[str, float]:
    """Run a command to its end: its wall seconds, and the CPU seconds of it and all that it waited for.

    Raises BenchmarkError when it fails.
    """
    with tempfile.TemporaryFile() as output:
        began_s = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began_s
        process.returncode = os.waitstatus_to_exitcode(status)  # else it would wait for it again
        if process.returncode:
            output.seek(0)
            said = output.read().decode(errors="replace")[-2000:]
            raise BenchmarkError(f"{command[0]} ended with status {process.returncode}:\n{said}")
    return {"seconds": seconds, "cpu_s": usage.ru_utime + usage.ru_stime}
