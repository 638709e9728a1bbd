"""What a command decides, one line each, on standard error: text for people, or JSON for programs.

Each decision is told once, with its facts; what a command found is its result, and on standard output. A
fact is a number, a text, or lists and maps of these: never a setting, which could be a secret.

    2026-11-22 10:15:00Z planned 12 splits, …
    {"time": "2026-11-22T10:15:00.123Z", "level": "info", "run_id": …, "job": …, "event": "planned", …}
"""

import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

_LOGIN = re.compile(r"(?<=://)[^/\s'\"]+(?=@)")
"""What stands before the host in a URL. Nothing here takes a login that way, but a message may quote one."""


class LogFormat(StrEnum):
    """As `--log-format` spells them."""

    TEXT = "text"
    JSON = "json"


class Level(StrEnum):
    """How much a line matters: a warning is worth a look, an error is why the command ends as it does."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class EventLog:
    """Writes one line for each event.

    run_id, job  are in each line of JSON, once they are known
    config       the job file, as commands that a message proposes name it
    """

    def __init__(
        self,
        log_format: LogFormat,
        config: Path,
        now_ms: Callable[[], int],
        write: Callable[[str], None],
    ) -> None:
        self.run_id = self.job = ""
        self.config = config
        self.is_json = log_format is LogFormat.JSON
        self._now_ms = now_ms
        self._write = write

    def info(self, event: str, message: str, **facts: Any) -> None:
        """Tell a decision."""
        self._tell(Level.INFO, event, message, facts)

    def warning(self, event: str, message: str, **facts: Any) -> None:
        """Tell what is worth a look."""
        self._tell(Level.WARNING, event, message, facts)

    def error(self, event: str, message: str, **facts: Any) -> None:
        """Tell why the command, or a part of its work, fails."""
        self._tell(Level.ERROR, event, message, facts)

    def _tell(self, level: Level, event: str, message: str, facts: dict[str, Any]) -> None:
        now = datetime.fromtimestamp(self._now_ms() / 1000, UTC)
        if not self.is_json:
            self._write(without_logins(f"{now:%Y-%m-%d %H:%M:%SZ} {message}"))
            return
        line = {
            "time": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z",
            "level": level,
            "run_id": self.run_id,
            "job": self.job,
            "event": event,
            **facts,
            "message": message,
        }
        self._write(without_logins(json.dumps(line, ensure_ascii=False)))


def open_log(log_format: LogFormat, config: Path) -> EventLog:
    """The log of this command, on standard error, which may be redirected at any time."""

    def now_ms() -> int:
        return time.time_ns() // 1_000_000

    return EventLog(log_format, config, now_ms, lambda line: print(line, file=sys.stderr))


@contextmanager
def with_warnings_of_rooms(log: EventLog) -> Iterator[None]:
    """Tell in the log what rooms warn of that fails nothing, for the body of the `with`."""

    class Forwarding(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            log.warning(record.name.rpartition(".")[2], record.getMessage())

    logger, handler = logging.getLogger("loader"), Forwarding(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def without_logins(text: str) -> str:
    """A text in which URLs have stars where a login, or a password, stands."""
    return _LOGIN.sub("***", text)
