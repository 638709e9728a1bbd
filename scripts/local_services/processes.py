"""One server process: started, waited for until it answers, paused, ended; also by another Python process.

A process is remembered in a file by its id and by when it started. Ids are used again by the system: a signal
goes to a process only while both agree, so that nothing but our own server is ever ended.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from local_services.errors import ServiceError

_POLL_S = 0.1


class ServerProcess:
    """A server that runs on after the Python process that started it, until somebody stops it.

    Its folder gets `process.json` (who it is) and `server.log` (what it says).
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.log = folder / "server.log"
        self._memory = folder / "process.json"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while the server runs (or is paused), else None."""
        if self._child is not None:
            self._child.poll()  # reaps it, if it ended: a zombie would look alive
        try:
            known = json.loads(self._memory.read_text())
        except (FileNotFoundError, ValueError):
            return None
        pid = int(known["pid"])
        return pid if birth(pid) == known["birth"] else None

    def start(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start it; returns before it is ready. Does nothing when it runs already."""
        if self.pid is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={**os.environ, **(environment or {})},
                # Its own session: Ctrl-C in a terminal is for the program that uses the server, and a server
                # that dies first turns the end of a test run into a heap of unrelated errors.
                start_new_session=True,
            )
        self._remember(self._child.pid)

    def wait_until(self, answers: Callable[[], bool], deadline_s: float) -> None:
        """Return once `answers()` is true. Raises when the process dies first, or at the deadline."""
        give_up = time.monotonic() + deadline_s
        while not answers():
            if self.pid is None:
                raise ServiceError(f"{self.name} ended while starting. {self._last_words()}")
            if time.monotonic() > give_up:
                raise ServiceError(
                    f"{self.name} did not answer within {deadline_s:g} s. {self._last_words()}"
                )
            time.sleep(_POLL_S)

    def stop(self, deadline_s: float = 15) -> None:
        """Ask it to end; kill it when it has not by the deadline. Does nothing when it is not running."""
        self.ask_to_stop()
        self.wait_for_end(deadline_s)

    def ask_to_stop(self) -> None:
        """Send SIGTERM and return at once; a paused process is woken to hear it."""
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)

    def wait_for_end(self, deadline_s: float) -> None:
        """Return when it has ended; kill it at the deadline."""
        give_up = time.monotonic() + deadline_s
        while self.pid is not None:
            if time.monotonic() > give_up:
                self.kill()
                return
            time.sleep(_POLL_S)
        self._memory.unlink(missing_ok=True)

    def kill(self) -> None:
        """SIGKILL, and return when the process is gone. Does nothing when it is not running."""
        self._signal(signal.SIGKILL)
        give_up = time.monotonic() + 10
        while (pid := self.pid) is not None:
            if time.monotonic() > give_up:
                raise ServiceError(f"{self.name} (process {pid}) is still there 10 s after SIGKILL")
            time.sleep(_POLL_S / 5)
        self._memory.unlink(missing_ok=True)

    def pause(self) -> None:
        """SIGSTOP: its connections stay open and nobody answers, as with a hung machine."""
        pid = self.pid
        self._signal(signal.SIGSTOP)
        give_up = time.monotonic() + 10
        # A thread that was running answers one more request before the signal reaches it.
        while pid is not None and not _is_stopped(pid):
            if time.monotonic() > give_up:
                raise ServiceError(f"{self.name} (process {pid}) still runs 10 s after SIGSTOP")
            time.sleep(_POLL_S / 5)

    def resume(self) -> None:
        """SIGCONT: it goes on where it was paused."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        pid = self.pid
        if pid is None:
            return
        # It may end between the look and the signal: nothing is left to do then.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def _remember(self, pid: int) -> None:
        self._memory.write_text(json.dumps({"pid": pid, "birth": birth(pid)}))

    def _last_words(self, line_count: int = 15) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return f"The end of its log {self.log}:\n" + "\n".join(lines[-line_count:])


def birth(pid: int) -> str | None:
    """When a process started, in a form to compare; None when there is none, or only its zombie."""
    try:
        # After the name, which is in parentheses and may hold spaces: field 3 is the state, 22 the start.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        # A killed JVM's first thread is a zombie while others still hold its ports: that is not gone yet.
        gone = fields[0] in "ZX" and len(list(Path(f"/proc/{pid}/task").iterdir())) <= 1
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self/stat").exists():
            return None
        command = ["ps", "-o", "lstart=", "-p", str(pid)]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        return answer.stdout.strip() or None
    return None if gone else fields[19]


def _is_stopped(pid: int) -> bool:
    """Whether no thread of a process runs any more; True as well where there is no /proc to ask."""
    try:
        states = [
            thread.read_text().rpartition(")")[2].split()[0]
            for thread in Path(f"/proc/{pid}/task").glob("*/stat")
        ]
    except OSError:  # a thread ended meanwhile
        return False
    return all(state in "TtZX" for state in states)
