"""How long to go on trying."""

import random
import time

from loader.errors import FetchStalled
from loader.values import OffsetRange

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0


class Patience:
    """Growing pauses between tries, for as long as the stall timeout allows.

    The clock starts with the first try that fails and stops with progress, so time that the caller
    takes between two fetches does not count. It is one clock for all ranges of a reader: when the
    brokers are gone, the first range waits for them, and the others do not wait again.
    """

    def __init__(self, stall_timeout_s: float) -> None:
        self._stall_timeout_s = stall_timeout_s
        self.progressed()

    def progressed(self) -> None:
        """Stop the clock."""
        self._stalled_since_s: float | None = None
        self._pause_s = FIRST_PAUSE_S

    @property
    def waited_s(self) -> float:
        """Seconds since the first try that failed after the last progress."""
        return 0.0 if self._stalled_since_s is None else time.monotonic() - self._stalled_since_s

    def wait(self, wanted: OffsetRange, reason: str) -> None:
        """Pause before another try for `wanted`. Raises FetchStalled when the time is up."""
        if self._stalled_since_s is None:
            self._stalled_since_s = time.monotonic()
        if self.waited_s >= self._stall_timeout_s:
            raise FetchStalled(wanted, self._stall_timeout_s, f"waiting because {reason}")
        time.sleep(self._pause_s * random.uniform(0.5, 1.0))  # noqa: S311  spreads retries, keeps no secret
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
