"""Commands as a person runs them at a terminal: in a real pseudo-terminal, with keys."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .producing import wait_until

COMMAND = str(Path(sys.executable).with_name("kafka-loader"))


class Terminal:
    """A terminal of its own session, with one command in its foreground."""

    def __init__(self, *arguments: str) -> None:
        self._keyboard, self._device = pty.openpty()
        self.first_mode = self.mode()
        self._seen = bytearray()
        self.process = subprocess.Popen(
            [COMMAND, *arguments],
            stdin=self._device,
            stdout=self._device,
            stderr=self._device,
            start_new_session=True,
            preexec_fn=self._take_terminal,
        )
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @property
    def shown(self) -> str:
        """All that the terminal was sent."""
        return self._seen.decode(errors="replace")

    def mode(self) -> list[Any]:
        """The terminal's settings."""
        return termios.tcgetattr(self._device)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._keyboard, keys.encode())

    def wait_for(self, text: str) -> None:
        """Return once the terminal was sent this text."""
        wait_until(lambda: text in self.shown, f"{text!r} on the terminal, which shows {self.shown!r}", 30)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the command."""
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait for the command to end by itself; its exit status."""
        return self.process.wait(30)

    def close(self) -> None:
        """End the command, if it has not."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        os.close(self._device)  # with which the watcher's last read ends
        self._watcher.join(10)
        os.close(self._keyboard)

    def _take_terminal(self) -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def _watch(self) -> None:
        while True:
            try:
                octets = os.read(self._keyboard, 65_536)
            except OSError:  # nobody has the other end open any more
                return
            self._seen += octets


@contextmanager
def terminal(*arguments: str) -> Iterator[Terminal]:
    """`kafka-loader` with these arguments at a terminal."""
    opened = Terminal(*arguments)
    try:
        yield opened
    finally:
        opened.close()
