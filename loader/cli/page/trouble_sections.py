"""The sections about what is not as it should be: quarantine, gaps and losses, slow splits."""

from collections import Counter
from collections.abc import Sequence

from loader.cli import text
from loader.cli.page import charts
from loader.cli.page.activity_sections import span_name
from loader.cli.page.section import Section, Swatch, Table, columns, minute
from loader.operations.watch.activity import Activity, largest_topics
from loader.operations.watch.report import JobReport
from loader.values import OffsetRange, RangeCounts

MOST_ROWS = 20
"""Of a table by topic."""


def quarantine(report: JobReport, activity: Activity) -> Section:
    """Records that could not be decoded."""
    title = "Quarantine"
    total = sum(each.quarantined_count for each in activity.commits)
    if not total:
        return Section("quarantine", title, "0 records", "Every record could be decoded.")
    figures, legend = [], []
    if activity.quarantined:
        width_ms = activity.grid.width_ms
        names = list(largest_topics(((topic, n) for (_, topic), n in activity.quarantined.items()), 5))
        others = {topic for _, topic in activity.quarantined} - {*names}
        rest = text.plural(len(others), "other topic") if others else None
        cells: Counter[tuple[int, str]] = Counter()
        for (cell, topic), count in activity.quarantined.items():
            cells[cell, topic if topic in names else rest or ""] += count
        shown = [*names, *([rest] if rest else [])]
        series = dict(zip(shown, charts.series_colours(names, rest), strict=True))
        figures.append(
            charts.bars(
                f"Records put into the quarantine per {span_name(width_ms)}, by topic",
                f"Bars: records put into the quarantine, of {', '.join(shown)}",
                [
                    charts.Bar(cell, name, count, f"{name}, {minute(cell)}: {text.plural(count, 'record')}")
                    for (cell, name), count in sorted(cells.items())
                ],
                width_ms,
                series,
            )
        )
        legend = [Swatch(colour, name) for name, colour in series.items()]
    tables = []
    if report.bad_kinds:
        kinds = sorted(report.bad_kinds, key=lambda kind: -kind.record_count)
        left = len(kinds) - MOST_ROWS
        tables.append(
            Table(
                "What waits in the quarantine, by kind",
                columns("~topic", "format", "~problem", "#records", "from (UTC)", "to (UTC)"),
                [
                    [
                        kind.topic,
                        kind.format,
                        kind.error_class,
                        text.count(kind.record_count),
                        _time_or_none(kind.earliest_ms),
                        _time_or_none(kind.latest_ms),
                    ]
                    for kind in kinds[:MOST_ROWS]
                ],
                f"… and {text.plural(left, 'kind')} more" if left > 0 else "",
            )
        )
    waiting = None if report.bad_kinds is None else sum(kind.record_count for kind in report.bad_kinds)
    note = "Could not be decoded, and were kept raw."
    if waiting is None:
        note += " By kind: kafka-loader quarantine list."
    else:
        note += f" {text.plural(waiting, 'record')} in all wait there; of the others replays made rows."
    return Section("quarantine", title, text.plural(total, "record"), note, figures, legend, tables)


def _time_or_none(time_ms: int | None) -> str:
    try:
        return "-" if time_ms is None else text.moment(time_ms)
    except (ValueError, OverflowError, OSError):  # a record's time may be any number
        return f"{time_ms} ms"


def losses(activity: Activity) -> Section:
    """Offsets that are no rows, and why."""
    counts = RangeCounts.total(activity.counts.values())
    lost = counts.lost_count
    tables = []
    if activity.losses:
        left = activity.loss_count - len(activity.losses)
        tables.append(
            Table(
                "Ranges that were lost: deleted from Kafka before they were loaded, with a person's leave",
                columns("~offsets", "#count", "#commit", "committed", "~by", "~reason"),
                [
                    [
                        str(each.range),
                        text.count(each.range.offset_count),
                        text.count(each.commit.version),
                        text.moment(each.commit.committed_at_ms),
                        each.commit.committed_by,
                        each.commit.reason,
                    ]
                    for each in activity.losses
                ],
                f"… and {text.plural(left, 'range')} before" if left else "",
            )
        )
    if activity.moves:
        left = activity.move_count - len(activity.moves)
        tables.append(
            Table(
                "Positions that a person moved",
                columns("~partition", "#from", "#to", "#skipped", "#commit", "committed", "~by", "~reason"),
                [
                    [
                        str(each.partition),
                        text.count(each.from_offset),
                        text.count(each.to_offset),
                        text.count(each.skipped_count),
                        text.count(each.commit.version),
                        text.moment(each.commit.committed_at_ms),
                        each.commit.committed_by,
                        each.commit.reason,
                    ]
                    for each in activity.moves
                ],
                f"… and {text.plural(left, 'move')} before" if left else "",
            )
        )
    explained = _explained_table(activity)
    if explained.rows:
        tables.append(explained)
    note = _losses_note(activity, counts, has_gaps=bool(explained.rows))
    return Section("losses", "Gaps and losses", text.plural(lost, "lost offset"), note, (), (), tables)


def _losses_note(activity: Activity, counts: RangeCounts, *, has_gaps: bool) -> str:
    notes = [] if counts.lost_count else ["No offset was lost."]
    if activity.skipped_count:
        notes.append(f"A moved position skipped {text.plural(activity.skipped_count, 'offset')}.")
    if has_gaps:
        notes.append(
            "Other offsets without a row are explained: by compaction, transactions, the quarantine."
        )
    else:
        notes.append("Every offset that was loaded is a row.")
    return " ".join(notes)


def _explained_table(activity: Activity) -> Table:
    gaps = {topic: each.explained_count - each.row_count for topic, each in activity.counts.items()}
    names = [name for name in largest_topics(gaps.items(), MOST_ROWS) if gaps[name]]
    left = sum(bool(gap) for gap in gaps.values()) - len(names)
    return Table(
        "What became of offsets that are no rows",
        columns("~topic", "#rows", "#compacted", "#aborted", "#markers", "#quarantined", "#lost"),
        [[name, *map(text.count, _explained(activity.counts[name]))] for name in names],
        f"… and {text.plural(left, 'topic')} more" if left else "",
    )


def _explained(counts: RangeCounts) -> tuple[int, ...]:
    return (
        counts.row_count,
        counts.compacted_count,
        counts.aborted_count,
        counts.control_count,
        counts.quarantined_count,
        counts.lost_count,
    )


def slow_splits(activity: Activity) -> Section:
    """The splits that took longest."""
    title = "Slowest splits"
    if not activity.slowest:
        return Section("splits", title, "not known", "No commit of this time tells how long its splits took.")
    table = Table(
        "The splits that took longest, the slowest first",
        columns("~offsets", "#took", "#fetched", "#per second", "#rows", "host", "#commit", "committed"),
        [
            [
                _ranges(each.timing.ranges, each.timing.range_count),
                text.duration(each.timing.duration_ms / 1000),
                text.size(each.timing.fetched_bytes),
                text.size(each.timing.fetched_bytes * 1000 / max(each.timing.duration_ms, 1)),
                text.count(each.timing.row_count),
                each.timing.host,
                text.count(each.commit.version),
                text.moment(each.commit.committed_at_ms),
            ]
            for each in activity.slowest
        ],
    )
    slowest = activity.slowest[0]
    return Section(
        "splits",
        title,
        text.duration(slowest.timing.duration_ms / 1000),
        "A split is the ranges of one task. Each commit keeps its slowest few.",
        (),
        (),
        [table],
    )


def _ranges(ranges: Sequence[OffsetRange], count: int) -> str:
    return f"{ranges[0]} and {text.plural(count - 1, 'range')} more" if count > 1 else str(ranges[0])
