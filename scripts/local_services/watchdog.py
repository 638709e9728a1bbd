"""Ends the servers of a `with` block whose Python process is gone: a killed test run leaves none behind.

A process of its own waits for the end of a pipe that only the watched Python process holds open: the system
closes it however that process ends. Until then it collects what to end, as lines of process id and birth.
"""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from local_services.processes import birth

_watchdog: subprocess.Popen[bytes] | None = None


def watch(pid: int) -> None:
    """Have the process `pid` killed when this Python process ends, if it is still there then."""
    global _watchdog
    if _watchdog is None:
        _watchdog = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            start_new_session=True,  # or Ctrl-C would end it first
        )
    if _watchdog.stdin is not None:
        _watchdog.stdin.write(f"{pid} {birth(pid)}\n".encode())
        _watchdog.stdin.flush()


def _main() -> None:
    for line in sys.stdin.readlines():  # returns at the end of the pipe
        pid, its_birth = line.split(maxsplit=1)
        if birth(int(pid)) == its_birth.strip():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


if __name__ == "__main__":
    _main()
