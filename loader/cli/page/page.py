"""The whole page: a summary with what is wrong first, then a section for each question."""

from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import loader
from loader.cli import text
from loader.cli.logs import without_logins
from loader.cli.page.activity_sections import last_commits, run_times, volume
from loader.cli.page.lag_section import lag
from loader.cli.page.problems import problems_of
from loader.cli.page.section import Section, Tile
from loader.cli.page.topic_section import topic_hours
from loader.cli.page.trouble_sections import losses, quarantine, slow_splits
from loader.cli.waiting import age
from loader.operations.watch.activity import Activity
from loader.operations.watch.report import JobReport


def page_of(report: JobReport, config: Path) -> str:
    """The page as HTML. `config` is how its commands name the job file."""
    environment = Environment(
        loader=PackageLoader("loader.cli.page"),
        autoescape=True,  # names, errors and reasons come from outside
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    problems = problems_of(report, config)
    sections = _sections(report)
    return environment.get_template("report.html.j2").render(
        job=report.job,
        about=_about(report, config),
        made_at=text.moment(report.made_at_ms),
        made_at_iso=datetime.fromtimestamp(report.made_at_ms / 1000, UTC).isoformat(timespec="seconds"),
        problems=problems,
        problems_title=_problems_title(report, len(problems)),
        tiles=_tiles(report, sections),
        sections=sections.values(),
        style=Markup((files(__package__) / "templates" / "report.css").read_text("utf-8")),  # noqa: S704  ours
        version=loader.__version__,
    )


def _shown(value: object) -> object:
    """Text without what no browser shows: a name or an error may hold any character."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return "\n".join(map(text.printable, value.split("\n")))
    return value


def _about(report: JobReport, config: Path) -> str:
    where = f"at {without_logins(report.destination)}"
    if not report.ledger:
        return f"This job, {where}, has not run yet. Its first run: kafka-loader run {config}"
    if not report.covered:
        return f"No commit of this time; the newest is commit {report.ledger[-1]}, {where}."
    first, last = report.covered[0], report.covered[-1]
    what = f"commits {text.count(first)} to {text.count(last)}" if first < last else f"commit {first}"
    before = len(report.ledger) - len(report.covered)
    left_out = f"; {text.plural(before, 'earlier commit')} left out" if before else ""
    if report.activity is None:
        return f"{what} {where}"
    begin, end = (report.activity.commits[number].committed_at_ms for number in (-1, 0))
    return f"About {what} {where}, made {text.moment(begin)} to {text.moment(end)}{left_out}."


def _problems_title(report: JobReport, problem_count: int) -> str:
    if problem_count:
        return text.plural(problem_count, "problem")
    return "No problem found" if report.ledger else "Nothing loaded yet"


def _sections(report: JobReport) -> dict[str, Section]:
    activity = report.activity
    if activity is None:
        found = [lag(report, None)] if report.outlook is not None else []
    else:
        found = [
            volume(activity),
            lag(report, activity),
            run_times(activity),
            topic_hours(report, activity),
            quarantine(report, activity),
            losses(activity),
            slow_splits(activity),
            last_commits(activity),
        ]
    return {section.anchor: section for section in found}


def _tiles(report: JobReport, sections: dict[str, Section]) -> list[Tile]:
    activity, newest = report.activity, report.newest
    if activity is None or newest is None:
        return []
    return [
        Tile("Position", f"commit {text.count(newest.version)}", _partition_note(report), "commits"),
        Tile(
            "Last commit",
            f"{age(max(report.made_at_ms - newest.committed_at_ms, 0))} ago",
            text.moment(newest.committed_at_ms),
            "commits",
        ),
        Tile("Loaded", sections["volume"].headline, "by these commits", "volume"),
        Tile("Lag", sections["lag"].headline, _lag_note(report), "lag"),
        Tile("Run", sections["duration"].headline, "from begin to commit", "duration"),
        Tile("Quarantine", sections["quarantine"].headline, "by these commits", "quarantine"),
        Tile("Lost", sections["losses"].headline, _skipped(activity), "losses"),
        Tile("Slowest split", sections["splits"].headline, "of these commits", "splits"),
    ]


def _partition_note(report: JobReport) -> str:
    topics = report.newest.position.topics if report.newest else {}
    partition_count = sum(len(topic.partitions) for topic in topics.values())
    return f"{text.plural(len(topics), 'topic')}, {text.plural(partition_count, 'partition')}"


def _lag_note(report: JobReport) -> str:
    if report.outlook is None:
        return "brokers did not answer"
    oldest_ms = max((each.lag_ms or 0 for each in report.outlook.partitions), default=0)
    return f"oldest is {age(oldest_ms)} old" if oldest_ms else "as this page was made"


def _skipped(activity: Activity) -> str:
    if activity.skipped_count:
        return f"{text.plural(activity.skipped_count, 'offset')} skipped"
    return "by these commits"
