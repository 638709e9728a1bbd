"""What a page about a job tells: what its commits did, where it stands, and what needs a person.

Most comes from the ledger. Brokers are asked what waits; where they do not answer the rest is told all the
same, since a job is looked at most when something is wrong.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loader.commits.log import CommitLog
from loader.commits.record import Commit
from loader.errors import LoaderError, PathNotFound
from loader.operations.job import Job
from loader.operations.watch.activity import Activity
from loader.operations.watch.outlook import Outlook, look_ahead
from loader.operations.watch.quarantine import BadKind, count_bad
from loader.operations.watch.time_grid import grid_over

FEWEST_CELLS, MOST_CELLS = 12, 72
"""Of time on a chart; in between half as many again as commits, so that most cells have one."""

MOST_COMMITS_FOR_KINDS = 2_000
MOST_RECORDS_FOR_KINDS = 1_000_000
"""The kinds of bad records are in files, which have to be read for them."""


@dataclass(frozen=True, slots=True)
class NewestCommits:
    """So many commits, from the newest back."""

    count: int


@dataclass(frozen=True, slots=True)
class NewestTime:
    """The commits of the last so many milliseconds."""

    span_ms: int


Stretch = NewestCommits | NewestTime


@dataclass(frozen=True, slots=True)
class JobReport:
    """All that a page tells.

    ledger         numbers of all commits; empty before the first
    covered        of those that the report is about
    newest         None before the first commit
    activity       what the covered commits did; None where there are none
    outlook        what waits in Kafka, None where the brokers did not say; then `outlook_error` says why
    bad_kinds      what waits in the quarantine, by kind; None where it was not looked at
    bad_error      why it could not be read
    """

    job: str
    destination: str
    made_at_ms: int
    ledger: range
    covered: range
    newest: Commit | None
    activity: Activity | None
    outlook: Outlook | None
    outlook_error: LoaderError | None
    bad_kinds: tuple[BadKind, ...] | None
    bad_error: LoaderError | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is about all commits."""
        return self.covered == self.ledger


def make_report(job: Job, stretch: Stretch, now_ms: Callable[[], int]) -> JobReport:
    """Read the ledger and ask Kafka. Writes nothing; raises what the ledger raises, nothing of Kafka."""
    made_at_ms = now_ms()
    log = CommitLog(job.storage, job.name)
    ledger = log.versions()
    covered = _covered(log, ledger, stretch, made_at_ms)
    newest = log.read(ledger[-1]) if ledger else None
    activity = _activity(log, covered) if covered else None
    outlook, outlook_error = None, None
    try:
        outlook = look_ahead(job, newest, 1, now_ms)
    except LoaderError as error:
        outlook_error = error
    bad_kinds, bad_error = None, None
    if activity is not None and _kinds_can_be_counted(ledger, activity):
        try:
            bad_kinds = tuple(count_bad(job, None))
        except LoaderError as error:
            bad_error = error
    return JobReport(
        job=job.name,
        destination=job.storage.url,
        made_at_ms=made_at_ms,
        ledger=ledger,
        covered=covered,
        newest=newest,
        activity=activity,
        outlook=outlook,
        outlook_error=outlook_error,
        bad_kinds=bad_kinds,
        bad_error=bad_error,
    )


def _covered(log: CommitLog, ledger: range, stretch: Stretch, now_ms: int) -> range:
    match stretch:
        case NewestCommits(count):
            return ledger[-count:]
        case NewestTime(span_ms):
            # Times of commits rise as far as the clocks of those who made them agree, which is enough here.
            since_ms = now_ms - span_ms
            first = bisect_left(ledger, since_ms, key=lambda version: log.read(version).committed_at_ms)
            return ledger[first:]


def _activity(log: CommitLog, covered: range) -> Activity:
    oldest, commit = log.read(covered[0]), log.read(covered[-1])
    first_ms, last_ms = sorted((oldest.committed_at_ms, commit.committed_at_ms))
    cell_count = min(max(len(covered) * 3 // 2, FEWEST_CELLS), MOST_CELLS)
    activity = Activity(grid_over(first_ms, last_ms, cell_count))
    while True:
        is_last = commit.version == covered[0]
        before = None
        if not is_last or commit.operation == "set_position":
            before = _before(log, commit.version, must_be_there=not is_last)
        activity.add(commit, before)
        if is_last or before is None:
            return activity
        commit = before


def _before(log: CommitLog, version: int, *, must_be_there: bool) -> Commit | None:
    try:
        return log.read(version - 1) if version > 1 else None
    except PathNotFound:
        if must_be_there:
            raise
        return None


def _kinds_can_be_counted(ledger: Sequence[int], activity: Activity) -> bool:
    record_count = sum(activity.quarantined.values())
    return 0 < record_count <= MOST_RECORDS_FOR_KINDS and len(ledger) <= MOST_COMMITS_FOR_KINDS
