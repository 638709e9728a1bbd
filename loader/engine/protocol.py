"""What the operations ask of an engine."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from loader.values import Advance, Split, SplitResult

if TYPE_CHECKING:  # the decoding of records takes a second to import, and a run with nothing new needs none
    from loader.task import LoadTask


SPLIT_DONE = Advance(0, 0, 0, split_count=1)
"""What an engine tells when a split has ended."""


class Engine(Protocol):
    """Runs splits in parallel."""

    @property
    def name(self) -> str:
        """As `--engine` spells it."""
        ...

    @property
    def slots(self) -> int:
        """How many tasks run at once; the plan makes no fewer splits where there is work for more."""
        ...

    def prepare(self, split_count: int) -> None:
        """Begin to start what `run` needs for so many splits; returns at once.

        Called when there is certainly work. Staging a run takes time as well, so both are done at once. What
        goes wrong with the start is told by `run`, which also starts what was not prepared.
        """
        ...

    def run(
        self, task: "LoadTask", splits: Sequence[Split], on_advance: Callable[[Advance], None]
    ) -> list[SplitResult]:
        """Load every split. Raises WorkersLost when workers died more often than the engine tolerates.

        on_advance  called in this thread as work gets done: by records decoded, or by tasks ended; with
                    SPLIT_DONE for each split, and with how many attempts died and are repeated
        """
        ...
