"""The sections about what commits did: volume, duration, the last commits."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence

from loader.cli import text
from loader.cli.page import charts
from loader.cli.page.drawing import Figure
from loader.cli.page.section import Section, Swatch, Table, columns, minute
from loader.operations.watch.activity import Activity
from loader.operations.watch.history import CommitSummary

MOST_DOTS = 200
"""Runs that are shown one by one; more become highest and median of each cell of time."""

LAST_COMMITS = 20
OPERATIONS = {"load": "c0", "backfill": "c2", "replay": "c1", "compact": "c4", "repair": "c3"}
"""The colour of each kind of run; set_position reads and writes no rows."""


def volume(activity: Activity) -> Section:
    """Rows and bytes over time."""
    grid = activity.grid
    commits = [each for each in activity.commits if each.operation in ("load", "backfill", "replay")]
    rows: Counter[int] = Counter()
    sizes: Counter[int] = Counter()
    made: Counter[int] = Counter()
    for each in commits:
        cell = grid.start_of(each.committed_at_ms)
        rows[cell] += each.row_count
        sizes[cell] += each.size_bytes
        made[cell] += 1
    row_count, size_bytes = sum(rows.values()), sum(sizes.values())
    if not commits:
        return Section("volume", "Volume", "0 rows", "No commit of this time loaded anything.")
    times = sorted(made)
    each_cell = f"per {span_name(grid.width_ms)}"
    told = {
        cell: f"{minute(cell)}, {text.plural(made[cell], 'commit')}: {text.plural(rows[cell], 'row')},"
        f" {text.size(sizes[cell])}"
        for cell in times
    }
    factor, unit = byte_unit(max(sizes.values()))
    figures = [
        charts.bars(
            f"Rows {each_cell}",
            f"Bars: rows committed {each_cell}, at most {text.count(max(rows.values()))}",
            [charts.Bar(cell, "", rows[cell], told[cell]) for cell in times],
            grid.width_ms,
            {"": "c0"},
        ),
        charts.bars(
            f"{unit} of Parquet {each_cell}",
            f"Bars: bytes committed {each_cell}, at most {text.size(max(sizes.values()))}",
            [charts.Bar(cell, "", sizes[cell] / factor, told[cell]) for cell in times],
            grid.width_ms,
            {"": "c1"},
        ),
    ]
    table = Table(
        f"Volume {each_cell}",
        columns("from (UTC)", "#commits", "#rows", "#size"),
        [
            [minute(cell), text.count(made[cell]), text.count(rows[cell]), text.size(sizes[cell])]
            for cell in reversed(times)
        ],
        is_detail=True,
    )
    note = f"{text.size(size_bytes)} of Parquet by {text.plural(len(commits), 'commit')}."
    return Section("volume", "Volume", text.plural(row_count, "row"), note, figures, (), [table])


def run_times(activity: Activity) -> Section:
    """How long runs took."""
    title = "Duration of runs"
    taken = [
        (each, max(each.committed_at_ms - each.started_at_ms, 0) / 1000)
        for each in activity.commits
        if each.started_at_ms is not None and each.operation in OPERATIONS
    ]
    if not taken:
        return Section("duration", title, "not known", "No commit of this time tells when its run began.")
    median = statistics.median(seconds for _, seconds in taken)
    longest, most = max(taken, key=lambda each: each[1])
    note = (
        f"Half of {text.plural(len(taken), 'run')} took no longer, from the begin to the commit. The longest:"
        f" {text.duration(most)}, commit {longest.version}."
    )
    factor, unit = second_unit(most)
    figure, legend = _run_time_figure(activity, taken, factor, unit)
    return Section("duration", title, f"{text.duration(median)} median", note, [figure], legend)


def _run_time_figure(
    activity: Activity, taken: Sequence[tuple[CommitSummary, float]], factor: float, unit: str
) -> tuple[Figure, Sequence[Swatch]]:
    width_ms = activity.grid.width_ms
    if len(taken) <= MOST_DOTS:
        kinds = {
            kind: colour for kind, colour in OPERATIONS.items() if kind in {c.operation for c, _ in taken}
        }
        figure = charts.dots(
            f"{unit} of each run",
            f"Dots: seconds of each of {len(taken)} runs",
            [
                charts.Dot(
                    each.committed_at_ms,
                    each.operation,
                    seconds / factor,
                    f"commit {each.version}, {each.operation}, {minute(each.committed_at_ms)}:"
                    f" {text.duration(seconds)}, {text.plural(each.row_count, 'row')}",
                )
                for each, seconds in taken
            ],
            width_ms,
            kinds,
        )
        return figure, [Swatch(colour, kind) for kind, colour in kinds.items()]
    by_cell: defaultdict[int, list[float]] = defaultdict(list)
    for each, seconds in taken:
        by_cell[activity.grid.start_of(each.committed_at_ms)].append(seconds)
    figure = charts.bands(
        f"{unit} of the longest and the median run per {span_name(width_ms)}",
        f"Bars: the longest run per {span_name(width_ms)}, with a line at the median",
        [
            charts.Band(
                cell,
                statistics.median(durations) / factor,
                max(durations) / factor,
                f"{minute(cell)}, {text.plural(len(durations), 'run')}: median"
                f" {text.duration(statistics.median(durations))}, longest {text.duration(max(durations))}",
            )
            for cell, durations in sorted(by_cell.items())
        ],
        width_ms,
    )
    return figure, [Swatch("c0", "bar: longest; line: median")]


def last_commits(activity: Activity) -> Section:
    """The newest commits, one by one."""
    newest = activity.commits[:LAST_COMMITS]
    rows = [
        [
            text.count(each.version),
            text.moment(each.committed_at_ms),
            each.operation,
            "-"
            if each.started_at_ms is None
            else text.duration((each.committed_at_ms - each.started_at_ms) / 1000),
            text.count(each.row_count),
            text.count(each.file_count),
            text.size(each.size_bytes),
            text.count(each.quarantined_count),
            text.count(each.lost_count),
            each.committed_by,
            each.reason,
        ]
        for each in newest
    ]
    names = (
        "#commit",
        "committed",
        "operation",
        "#took",
        "#rows",
        "#files",
        "#size",
        "#quarantined",
        "#lost",
    )
    left = len(activity.commits) - len(newest)
    rest = f"… and {text.plural(left, 'commit')} before: kafka-loader history" if left else ""
    table = Table("The newest commits, the newest first", columns(*names, "~by", "~reason"), rows, rest)
    note = f"Of {text.plural(len(activity.commits), 'commit')} that this page is about, the newest."
    return Section(
        "commits", "Last commits", f"commit {text.count(newest[0].version)}", note, (), (), [table]
    )


def span_name(width_ms: int) -> str:
    """A cell of time in words: hour, 3 hours, day, 30 minutes."""
    for unit_ms, unit in ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second")):
        if width_ms >= unit_ms:
            number = width_ms // unit_ms
            return unit if number == 1 else f"{number} {unit}s"
    raise AssertionError("no grid is finer than a second")


def byte_unit(most: int) -> tuple[int, str]:
    """What to divide bytes by, and the name of it."""
    factor = 1
    for unit in text.BYTE_UNITS:
        if most < 1024 * factor or unit == text.BYTE_UNITS[-1]:
            return factor, unit
        factor *= 1024
    raise AssertionError("the last unit takes all")


def second_unit(most: float) -> tuple[float, str]:
    """What to divide seconds by, and the name of it."""
    return (1, "Seconds") if most < 300 else (60, "Minutes") if most < 18_000 else (3600, "Hours")
