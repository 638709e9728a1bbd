"""The section about topics: how many rows each has of which time."""

import math
from collections import Counter
from collections.abc import Sequence

from loader.cli import text
from loader.cli.page import charts
from loader.cli.page.activity_sections import span_name
from loader.cli.page.section import Section, Swatch, Table, columns, minute
from loader.operations.watch.activity import Activity, largest_topics
from loader.operations.watch.report import JobReport
from loader.operations.watch.time_grid import grid_over

MOST_CELLS = 48
MOST_TOPICS = 14


def topic_hours(report: JobReport, activity: Activity) -> Section:
    """Rows by topic and record time."""
    title, times = "Rows per topic and hour", activity.times
    total = sum(times.totals.values())
    span = times.span()
    if span is None:
        return Section("topics", title, text.plural(total, "row"), "No file of this time lies in an hour.")
    grid = grid_over(*span, MOST_CELLS, times.grid.width_ms)
    first_ms, last_ms = grid.start_of(span[0]), grid.start_of(span[1])
    names = list(largest_topics(times.totals.items(), MOST_TOPICS))
    others = len(times.totals) - len(names)
    rest = f"{others} others" if others else ""
    cells: Counter[tuple[int, str]] = Counter()
    outside = 0
    for (start_ms, topic), row_count in times.in_cells(grid).items():
        if first_ms <= start_ms <= last_ms:
            cells[start_ms, topic if topic in names else rest] += row_count
        else:
            outside += row_count
    shown = [*names, *([rest] if rest else [])]
    limits = heat_limits(list(cells.values()))
    figure = charts.heat(
        f"Rows per topic and {span_name(grid.width_ms)}, by the time of the records",
        f"Map: {len(shown)} topics by {span_name(grid.width_ms)}; darker cells have more rows",
        [
            charts.Cell(
                start_ms,
                name,
                sum(row_count > limit for limit in limits),
                f"{name}, {minute(start_ms)}: {text.plural(row_count, 'row')}",
            )
            for (start_ms, name), row_count in sorted(cells.items())
        ],
        grid.width_ms,
        shown,
    )
    by_name = {name: sum(n for (_, each), n in cells.items() if each == name) for name in shown}
    table = Table(
        "Rows per topic",
        columns("~topic", "#rows", "#of all"),
        [
            [name, text.count(times.totals.get(name, by_name[name])), _share(by_name[name], total)]
            for name in shown
        ],
        is_detail=True,
    )
    what = "in the data" if report.is_whole else "in the files of these commits that are still in the data"
    notes = [f"{text.plural(len(times.totals), 'topic')}; rows {what}."]
    if outside:
        notes.append(f"{text.plural(outside, 'row')} of far earlier or later times are not on the map.")
    if times.timeless_count:
        notes.append(f"{text.plural(times.timeless_count, 'row')} have no time.")
    return Section(
        "topics", title, text.plural(total, "row"), " ".join(notes), [figure], _heat_legend(limits), [table]
    )


def heat_limits(amounts: Sequence[int]) -> list[int]:
    """Up to five rising numbers that part the amounts into classes: above each begins the next."""
    most, classes = max(amounts), len(charts.HEAT_COLOURS)
    # A few small amounts, as at the end of a day, must not take the classes away from all others.
    least = max(sorted(amounts)[len(amounts) // 10], 1)
    limits: list[int] = []
    for number in range(1, classes):
        # By factors, since topics differ by orders of magnitude; where they hardly do, by sums.
        limit = least * math.pow(most / least, number / classes)
        limit = limit if most > 4 * least else least + (most - least) * number / classes
        rounded = _rounded(limit)
        if rounded < most and (not limits or rounded > limits[-1]):
            limits.append(rounded)
    return limits


def _rounded(number: float) -> int:
    """To two digits."""
    return max(int(float(f"{number:.1e}")), 1)


def _heat_legend(limits: Sequence[int]) -> list[Swatch]:
    bounds = [0, *limits]
    named = [
        f"{text.rounded(low + 1)} to {text.rounded(high)}" for low, high in zip(bounds, limits, strict=False)
    ]
    named.append(f"more than {text.rounded(limits[-1])} rows" if limits else "rows")
    return [Swatch(colour, name) for colour, name in zip(charts.HEAT_COLOURS, named, strict=False)]


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
