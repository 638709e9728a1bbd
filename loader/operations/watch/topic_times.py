"""Rows by topic and record time, as the folders of files tell it; bounded, however long the time."""

from collections import Counter
from dataclasses import dataclass, field

from loader.operations.watch.time_grid import HOUR_MS, TimeGrid
from loader.values import DataFile, layout

HOURS = TimeGrid(HOUR_MS)

MOST_CELLS = 200_000
"""Kept before cells are made wider."""

STRAY_SHARE = 0.005
"""Of the rows may be left out at either end: one record of the year 1970 must not squeeze all others."""

MUCH_LONGER = 3
"""So many times as long strays must make the span, or they belong to it."""


@dataclass(slots=True)
class TopicTimes:
    """Counts rows. A file without a time folder counts where its first record lies.

    cells         rows by beginning of the cell, in ms since 1970, and topic
    totals        rows by topic, also those without a time
    timeless_count rows without any time
    """

    grid: TimeGrid = HOURS
    cells: Counter[tuple[int, str]] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    timeless_count: int = 0

    def add(self, file: DataFile) -> None:
        """Count the rows of a file."""
        topic = file.ranges[0].topic
        self.totals[topic] += file.row_count
        time_ms = _time_of(file)
        if time_ms is None:
            self.timeless_count += file.row_count
            return
        self.cells[self.grid.start_of(time_ms), topic] += file.row_count
        if len(self.cells) > MOST_CELLS:
            self._coarsen(self.grid.coarser())

    def span(self) -> tuple[int, int] | None:
        """Beginnings of the first and the last cell that matter, without strays; None where there is none."""
        by_time: Counter[int] = Counter()
        for (start_ms, _), row_count in self.cells.items():
            by_time[start_ms] += row_count
        if not by_time:
            return None
        times = sorted(by_time)
        most_stray = STRAY_SHARE * sum(by_time.values())
        first_ms = _first_that_matters(times, by_time, most_stray)
        last_ms = _first_that_matters(times[::-1], by_time, most_stray)
        whole_ms, length_ms = (end + self.grid.width_ms for end in (times[-1] - times[0], last_ms - first_ms))
        return (first_ms, last_ms) if whole_ms > MUCH_LONGER * length_ms else (times[0], times[-1])

    def in_cells(self, grid: TimeGrid) -> Counter[tuple[int, str]]:
        """The same in cells that are as wide or wider."""
        cells: Counter[tuple[int, str]] = Counter()
        for (start_ms, topic), row_count in self.cells.items():
            cells[grid.start_of(start_ms), topic] += row_count
        return cells

    def _coarsen(self, grid: TimeGrid) -> None:
        self.cells, self.grid = self.in_cells(grid), grid


def _first_that_matters(times: list[int], by_time: Counter[int], most_stray: float) -> int:
    passed = 0
    for time in times:
        passed += by_time[time]
        if passed > most_stray:
            return time
    return times[-1]


def _time_of(file: DataFile) -> int | None:
    end_ms = layout.folder_end_ms(file.path.rpartition("/")[0])
    if end_ms is not None:
        width_ms = HOUR_MS if "/hour=" in file.path else 24 * HOUR_MS
        return end_ms - width_ms
    return file.min_timestamp_ms
