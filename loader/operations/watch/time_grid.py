"""Time in equal cells: as fine as it can be with no more than so many of them."""

from dataclasses import dataclass

SECOND_MS, HOUR_MS, DAY_MS = 1_000, 3_600_000, 86_400_000

NICE_WIDTHS_MS = (
    *(seconds * SECOND_MS for seconds in (1, 5, 15, 30, 60, 300, 900, 1800)),
    *(hours * HOUR_MS for hours in (1, 3, 6, 12, 24)),
)
"""Up to a day; then days, doubled."""


@dataclass(frozen=True, slots=True)
class TimeGrid:
    """Cells of `width_ms`, aligned to 1970 UTC."""

    width_ms: int

    def start_of(self, time_ms: int) -> int:
        """Where the cell begins that a time falls into."""
        return time_ms // self.width_ms * self.width_ms

    def coarser(self) -> "TimeGrid":
        """The next wider cells, into which these go without a rest."""
        wider = (width for width in NICE_WIDTHS_MS if width > self.width_ms and not width % self.width_ms)
        return TimeGrid(next(wider, 2 * self.width_ms))


def grid_over(first_ms: int, last_ms: int, most_cells: int, narrowest_ms: int = SECOND_MS) -> TimeGrid:
    """The finest cells that cover first to last, both included, with at most so many of them."""
    grid = TimeGrid(narrowest_ms)
    while (grid.start_of(last_ms) - grid.start_of(first_ms)) // grid.width_ms >= most_cells:
        grid = grid.coarser()
    return grid
