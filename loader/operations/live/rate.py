"""So many a second, and no more."""

from collections.abc import Callable

CATCH_UP_S = 0.1
"""How much of the time in which nothing came may be made up for: pauses of a sleep are not that exact."""


class Rate:
    """Spreads turns over time.

    per_second  None: there is no limit
    clock       seconds, from any beginning
    """

    def __init__(
        self, per_second: float | None, clock: Callable[[], float], sleep: Callable[[float], object]
    ) -> None:
        if per_second is not None and per_second <= 0:
            raise ValueError(f"{per_second} a second is no rate")
        self._interval_s = 0.0 if per_second is None else 1 / per_second
        self._clock, self._sleep = clock, sleep
        self._due_s: float | None = None

    def wait_turn(self) -> None:
        """Return when the next turn is due; the first one is at once."""
        if not self._interval_s:
            return
        now_s = self._clock()
        due_s = now_s if self._due_s is None else max(self._due_s, now_s - CATCH_UP_S)
        if due_s > now_s:
            self._sleep(due_s - now_s)
        self._due_s = due_s + self._interval_s
