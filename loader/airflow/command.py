"""One command of `kafka-loader`, as a process of an Airflow task."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, ClassVar, NoReturn

from airflow.sdk.exceptions import AirflowException, AirflowFailException

DONE, FIX, LATER, DECIDE, SUPERSEDED = 0, 2, 3, 4, 5
"""The exit statuses of `kafka-loader` that make a difference here."""

_MEANINGS = {
    1: "a bug",
    FIX: "fix the command or the job file",
    LATER: "run again later",
    DECIDE: "a person decides",
    130: "interrupted",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    status     its exit status; of one that a signal killed, minus the signal's number
    document   what it printed under --json; empty when it came to print none
    last_line  of its log
    """

    words: Sequence[str]
    status: int
    document: Mapping[str, Any]
    last_line: str

    @property
    def numbers(self) -> dict[str, Any]:
        """The document without what grows with the topics: small enough for an XCom."""
        return {key: value for key, value in self.document.items() if not isinstance(value, list | dict)}

    def fail(self) -> NoReturn:
        """Raise what makes Airflow retry the task, or fail it at once where only a person can help."""
        kind = AirflowFailException if self.status in (FIX, DECIDE) else AirflowException
        how = f"status {self.status}" if self.status >= 0 else f"signal {-self.status}"
        meaning = _MEANINGS.get(self.status, "unforeseen")
        raise kind(f"{shlex.join(self.words)} ended with {how}: {meaning}\n{self._reason()}")

    def _reason(self) -> str:
        if "error" in self.document:
            return str(self.document["error"]["message"])
        failures: Mapping[str, Any] = self.document.get("failures") or {}
        told = [f"{topic}: {error['message']}" for topic, errors in failures.items() for error in errors]
        return "\n".join(told) or self.last_line


class RunsCommand:
    """What operator and sensor share: to run a command, and to leave nothing of it behind."""

    end_within_s: ClassVar[float] = 4.0
    """How long an interrupted command may tidy up. Airflow kills a task 5 s after it was told to end."""

    _process: subprocess.Popen[str] | None = None

    def run_command(
        self, words: Sequence[str], env: Mapping[str, str] | None, log: Callable[[str], object]
    ) -> Ended:
        """Run a command to its end; each line of its log is given to `log` as it comes.

        env  on top of the environment that it inherits
        """
        # To a file: two pipes would have to be read at the same time.
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            last_line = ""
            try:
                self._process = process = _start(words, env or {}, output)
                for line in process.stderr or ():
                    last_line = line.rstrip("\n")
                    log(last_line)
                status = process.wait()
            except BaseException:  # such as execution_timeout: nobody waits for it any more
                self.on_kill()
                raise
            finally:
                self._close_log()
            output.seek(0)
            return Ended(words, status, _document(output.read()), last_line)

    def _close_log(self) -> None:
        if self._process is not None and self._process.stderr is not None:
            self._process.stderr.close()

    def on_kill(self) -> None:
        """As Ctrl-C would: the command removes what it has not committed, and ends."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        # To the group, as a terminal does: a spark-submit is a shell, a JVM and a Python.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(self.end_within_s)
        except subprocess.TimeoutExpired:
            # Safe at any instant: the next run removes what this one leaves.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _start(words: Sequence[str], env: Mapping[str, str], output: IO[str]) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(  # noqa: S603  the words are the DAG author's, and go through no shell
            words,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise AirflowFailException(
            f"{words[0]} cannot be started on this worker: {error}. Name the command by its whole path:"
            " command='/opt/kafka-loader/bin/kafka-loader …'"
        ) from error


def _document(output: str) -> Mapping[str, Any]:
    """The JSON object that a command printed, perhaps behind lines of others; empty when there is none."""
    begin = 0 if output.startswith("{") else output.find("\n{") + 1
    try:
        document, _ = json.JSONDecoder().raw_decode(output, begin)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
