"""Keys of a terminal, one by one, and signals that ask to stop: what an endless command listens to."""

import contextlib
import os
import select
import signal
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from types import FrameType

END_OF_TERMINAL = "q"
"""A terminal that hangs up wants what this key wants."""


class Keys:
    """What is typed at a terminal; without one, nothing."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    @property
    def is_listening(self) -> bool:
        """Whether somebody can type."""
        return self._descriptor is not None

    def wait(self, seconds: float) -> str:
        """The next key, within this time; else an empty text."""
        if self._descriptor is None:
            time.sleep(seconds)
            return ""
        if not select.select([self._descriptor], [], [], seconds)[0]:
            return ""
        try:
            typed = os.read(self._descriptor, 1)
        except OSError:
            typed = b""
        return typed.decode("latin-1") or END_OF_TERMINAL


@contextlib.contextmanager
def terminal_keys() -> Iterator[Keys]:
    """Take keys as they are typed, without showing them; the terminal is left as it was.

    That is so where standard input and output are one terminal, and this process is in its foreground: a
    program that the output is piped to may want the keys for itself, and who reads keys in the background is
    stopped.
    """
    descriptor = _terminal()
    if descriptor is None:
        yield Keys(None)
        return
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)  # Ctrl-C goes on to be a signal
        yield Keys(descriptor)
    finally:
        with contextlib.suppress(termios.error):  # it hung up
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _terminal() -> int | None:
    try:
        descriptor, output = sys.stdin.fileno(), sys.stdout.fileno()
        if os.isatty(descriptor) and os.isatty(output) and os.tcgetpgrp(descriptor) == os.getpgrp():
            return descriptor
    except (OSError, ValueError, AttributeError):  # closed, no file, or not the terminal of this session
        pass
    return None


class Stop:
    """Whether a signal asked to stop.

    signal_number  of the first that did
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def ask(self, signal_number: int, frame: FrameType | None) -> None:
        """A signal came. The second one does not wait for anything."""
        del frame
        if self.signal_number is not None:
            raise SystemExit(128 + signal_number)
        self.signal_number = signal_number


@contextlib.contextmanager
def stopping() -> Iterator[Stop]:
    """Let Ctrl-C, SIGTERM and a terminal that hangs up ask to stop, and not break into what is under way.

    An exception out of a signal's handler can end up in a callback of a client library, and be lost there.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop.ask) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
