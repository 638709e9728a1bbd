"""The section about lag: what waited when runs began, and what waits as the page is made."""

from collections import Counter

from loader.cli import text
from loader.cli.page import charts
from loader.cli.page.activity_sections import span_name
from loader.cli.page.section import Section, Swatch, Table, columns, minute
from loader.cli.waiting import age
from loader.operations.watch.activity import Activity, largest_topics
from loader.operations.watch.outlook import Outlook
from loader.operations.watch.report import JobReport

MOST_ROWS = 20
"""Of a table by topic."""


def lag(report: JobReport, activity: Activity | None) -> Section:
    """What waited when runs began, and what waits as the page is made."""
    figures, legend = [], []
    notes = [_lag_note(report)]
    if activity is not None and activity.waiting:
        width_ms = activity.grid.width_ms
        names = list(largest_topics(((topic, n) for (_, topic), n in activity.waiting.items()), 5))
        others = {topic for _, topic in activity.waiting} - {*names}
        rest = text.plural(len(others), "other topic") if others else None
        cells = sorted(activity.left)
        found: Counter[tuple[int, str]] = Counter()
        for (cell, topic), count in activity.waiting.items():
            found[cell, topic if topic in names else rest or ""] += count
        shown = [*names, *([rest] if rest else [])]
        series = dict(zip(shown, charts.series_colours(names, rest), strict=True))
        left = activity.left if any(activity.left.values()) else {}
        figures.append(
            charts.lines(
                "Offsets that waited when a run began, by topic",
                f"Lines: offsets that waited when a run began, of {', '.join(shown)}",
                [
                    charts.Dot(
                        cell,
                        name,
                        found[cell, name],
                        f"{name}, {minute(cell)}: {text.plural(found[cell, name], 'offset')} waited",
                    )
                    for cell in cells
                    for name in shown
                ],
                [charts.Dot(cell, "", left.get(cell, 0), "") for cell in cells] if left else [],
                width_ms,
                series,
            )
        )
        legend = [Swatch(colour, name) for name, colour in series.items()]
        if left:
            legend.append(Swatch("area", "grey area: left after the run, all topics"))
        notes.append(
            "The chart shows the most that a run found waiting"
            + (f", per {span_name(width_ms)}." if len(activity.commits) > 1 else ".")
        )
    tables = [] if report.outlook is None else [_lag_table(report.outlook)]
    return Section("lag", "Lag", _lag_headline(report), " ".join(notes), figures, legend, tables)


def _lag_headline(report: JobReport) -> str:
    if report.outlook is None:
        return "not known"
    return text.plural(sum(each.lag_offsets for each in report.outlook.partitions), "offset")


def _lag_note(report: JobReport) -> str:
    if report.outlook is None:
        return "The brokers did not say what waits."
    size_bytes = sum(each.lag_bytes for each in report.outlook.partitions)
    oldest_ms = max((each.lag_ms or 0 for each in report.outlook.partitions), default=0)
    if not size_bytes and not oldest_ms:
        return "Nothing waits."
    return f"Waiting in Kafka: about {text.size(size_bytes)}; the oldest record is {age(oldest_ms)} old."


def _lag_table(outlook: Outlook) -> Table:
    """Topics with most that waits."""
    offsets: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    ages: Counter[str] = Counter()
    deleted: dict[str, int] = {}
    partitions: Counter[str] = Counter()
    for each in outlook.partitions:
        topic = each.wanted.topic
        offsets[topic] += each.lag_offsets
        sizes[topic] += each.lag_bytes
        ages[topic] = max(ages[topic], each.lag_ms or 0)
        partitions[topic] += 1
        if each.deleted_in_ms is not None:
            deleted[topic] = min(deleted.get(topic, each.deleted_in_ms), each.deleted_in_ms)
    names = largest_topics(offsets.items(), MOST_ROWS)
    rows = [
        [
            name,
            text.count(partitions[name]),
            text.count(offsets[name]),
            text.size(sizes[name]),
            age(ages[name]),
            text.hours(deleted[name]) if name in deleted else "-",
        ]
        for name in names
    ]
    left = len(offsets) - len(names)
    return Table(
        f"What waits by topic, as of {text.moment(outlook.asked_at_ms)}",
        columns("~topic", "#partitions", "#offsets", "#about", "#oldest", "#Kafka may delete in"),
        rows,
        f"… and {text.plural(left, 'topic')} more" if left else "",
    )
