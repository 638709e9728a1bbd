"""Ends as `kafka-loader` may, without Kafka: `python stand_in.py STATUS …`, or one of the words below."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
from array import array
from pathlib import Path
from types import FrameType

ATTEMPT = int(os.environ.get("ATTEMPT", "1"))
NOTES = Path(os.environ["AIRFLOW_HOME"])


def interrupted(number: int, frame: FrameType | None) -> None:
    """As the loader ends by Ctrl-C."""
    del number, frame
    note("interrupted")
    sys.exit(130)


def note(what: str) -> None:
    """Tell the test."""
    with (NOTES / f"{sys.argv[1]}.notes").open("a") as file:
        file.write(f"{what}\n")


def unread_bytes(pipe: int) -> int:
    """How much of what was written to a pipe nobody has read yet."""
    number = array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, number)
    return number[0]


def work_for_ever() -> None:
    """As a run with much to load; once it is at work, Airflow wants its end."""
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"])
    note(f"{os.getpid()} {worker.pid}")
    # Half a line, and taken: then Airflow waits for the rest. A handler of signals that logs would for ever
    # wait for the lock of logging, if the signal came while another line is logged.
    print("at work", end="", file=sys.stderr, flush=True)
    while unread_bytes(sys.stderr.fileno()):
        time.sleep(0.01)
    # As when a person marks the task as failed; else as the clock of execution_timeout does.
    why = signal.SIGTERM if sys.argv[1] == "is-told-to-end" else signal.SIGALRM
    os.kill(os.getppid(), why)
    time.sleep(20)


def main() -> int:
    """The exit status."""
    what = sys.argv[1]
    if what in ("takes-too-long", "is-told-to-end", "is-deaf") and ATTEMPT == 1:
        signal.signal(signal.SIGINT, signal.SIG_IGN if what == "is-deaf" else interrupted)
        work_for_ever()
    print(f"attempt {ATTEMPT} of {what}", file=sys.stderr)
    if what == "complete-at-the-second-look":
        note(" ".join(sys.argv[2:]))
        complete = len((NOTES / f"{what}.notes").read_text().splitlines()) == 2
        print(json.dumps({"complete": complete, "topics": []}))
        return 0 if complete else 3
    if what == "killed" and ATTEMPT == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "silent-4":
        print("what the log says last", file=sys.stderr)
        return 4
    status = int(what) if what.isdecimal() else {"3-then-0": 3 if ATTEMPT == 1 else 0}.get(what, 0)
    failures = {"orders": [{"message": "Kafka's log now starts at 2700"}]} if status == 4 else {}
    print("a line of Spark's")
    print(json.dumps({"exit_status": status, "row_count": 7, "ranges": [1], "failures": failures}, indent=2))
    return status


sys.exit(main())
