"""What on the page needs a person, the gravest first."""

from collections.abc import Iterator
from pathlib import Path

from loader.cli import text
from loader.cli.failures import naming, told
from loader.cli.logs import without_logins
from loader.cli.page.section import Problem
from loader.errors import LoaderError, PersonDecides
from loader.operations.watch.activity import Activity
from loader.operations.watch.outlook import Outlook
from loader.operations.watch.report import JobReport

SOON_MS = 24 * 3_600_000
"""Until Kafka may delete what is not loaded: time enough to act on the next day."""

MOST_LISTED = 20


def problems_of(report: JobReport, config: Path) -> list[Problem]:
    """Everything that was found; commands name the job file as `config`."""
    found = [*_of_kafka(report, config)]
    if report.activity is not None:
        found += _of_activity(report.activity)
    if report.bad_error is not None:
        found.append(_told(f"The quarantine cannot be read: {told(report.bad_error, config)}", True))
    if report.bad_kinds:
        waiting = sum(kind.record_count for kind in report.bad_kinds)
        if waiting:
            command = naming("kafka-loader quarantine list CONFIG", config)
            found.append(
                _told(
                    f"In the quarantine: {text.plural(waiting, 'record')}.",
                    False,
                    ("look at them", command),
                )
            )
    found.sort(key=lambda problem: not problem.is_grave)
    if len(found) > MOST_LISTED:
        left = len(found) - MOST_LISTED
        found = [*found[:MOST_LISTED], _told(f"… and {text.plural(left, 'problem')} more.", False)]
    return found


def _of_kafka(report: JobReport, config: Path) -> Iterator[Problem]:
    if report.outlook_error is not None:
        yield _failure("What waits in Kafka is not known: ", report.outlook_error, config)
    if report.outlook is not None:
        for topic, error in sorted(report.outlook.plan.failures.items()):
            yield _failure(f"{topic} cannot be loaded: ", error, config)
        yield from _deleted_soon(report.outlook)
        unlisted = report.outlook.plan.unlisted
        if unlisted:
            first, reason = min(unlisted.items())
            more = f" and {len(unlisted) - 1} more" if len(unlisted) > 1 else ""
            yield _told(f"No answer from {first}{more}: {reason}", False)


def _deleted_soon(outlook: Outlook) -> Iterator[Problem]:
    soonest: dict[str, int] = {}
    for each in outlook.partitions:
        if each.deleted_in_ms is not None and each.deleted_in_ms < SOON_MS:
            topic = each.wanted.topic
            soonest[topic] = min(each.deleted_in_ms, soonest.get(topic, SOON_MS))
    for topic, left_ms in sorted(soonest.items(), key=lambda each: each[1]):
        when = f"in {text.hours(left_ms)}" if left_ms > 0 else "at any time"
        yield _told(f"{topic}: Kafka may delete {when} what is not loaded.", True)


def _of_activity(activity: Activity) -> Iterator[Problem]:
    lost = sum(each.lost_count for each in activity.commits)
    if lost:
        what = "deleted from Kafka before they were loaded"
        yield _told(f"Lost: {text.plural(lost, 'offset')}, {what}.", True)
    if activity.skipped_count:
        skipped = text.plural(activity.skipped_count, "offset")
        yield _told(f"Skipped: {skipped}, when a person moved the position.", False)


def _failure(what: str, error: LoaderError, config: Path) -> Problem:
    choices = error.choices if isinstance(error, PersonDecides) else ()
    commands = [(each.meaning, naming(each.command, config)) for each in choices]
    # The choices are shown apart, as commands that can be copied.
    message = error.args[0] if error.args else str(error)
    return _told(f"{what}{naming(str(message), config)}", error.exit_status == 4, *commands)


def _told(message: str, is_grave: bool, *commands: tuple[str, str]) -> Problem:
    shown = [(meaning, without_logins(command)) for meaning, command in commands]
    return Problem(without_logins(message), is_grave, shown)
