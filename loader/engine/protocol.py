"""What the operations ask of an engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from loader.values import Split, SplitResult

if TYPE_CHECKING:  # the decoding of records takes a second to import, and a run with nothing new needs none
    from loader.task import LoadTask


@dataclass(frozen=True, slots=True)
class SplitDone:
    """A split came back: for progress only, a split that is tried twice may be told twice."""

    split_index: int
    row_count: int
    fetched_bytes: int

    @classmethod
    def of(cls, result: SplitResult) -> "SplitDone":
        """What a manifest says."""
        return cls(
            result.split_index,
            sum(loaded.counts.row_count for loaded in result.loaded),
            sum(loaded.fetched_bytes for loaded in result.loaded),
        )


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

    def run(
        self, task: "LoadTask", splits: Sequence[Split], on_done: Callable[[SplitDone], None]
    ) -> list[SplitResult]:
        """Load every split. Raises WorkersLost when workers died more often than the engine tolerates."""
        ...
