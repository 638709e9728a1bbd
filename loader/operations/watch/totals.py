"""What all commits of a job have loaded, counted on from where an earlier count ended.

A ledger may have 100,000 commits, so they are not read again each time: who counts keeps the last totals
(`metrics`: in the file it wrote before), and only the commits since are read. Where nothing is kept and the
ledger is long, the count begins at zero: who watches a counter looks at what it grows by, and a total that
left out some commits would look like a count of all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from loader.commits.log import CommitLog
from loader.commits.record import Commit
from loader.operations.job import Job

MOST_COMMITS_COUNTED = 1000
"""How long a ledger may be for its first count to read all of it."""


@dataclass(frozen=True, slots=True)
class TopicTotals:
    """Sums over commits, of one topic; what was loaded twice, by a backfill say, counts twice."""

    row_count: int = 0
    quarantined_count: int = 0
    lost_count: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over commits, by topic.

    job_id   of the ledger that was counted
    version  the last commit that is in
    """

    job_id: str
    version: int
    topics: Mapping[str, TopicTotals] = field(default_factory=dict)


def count_commits(job: Job, newest: Commit, known: Totals | None) -> Totals:
    """The totals up to `newest`. Raises what reading commits raises.

    known  an earlier count; of another ledger, or of commits that are no more, it is left aside
    """
    log = CommitLog(job.storage, job.name)
    if known is None or known.job_id != newest.job_id or known.version > newest.version:
        versions = log.versions()
        is_long = len(versions) > MOST_COMMITS_COUNTED
        known = Totals(newest.job_id, newest.version if is_long else versions[0] - 1)
    totals = {topic: TopicTotals() for topic in newest.position.topics} | dict(known.topics)
    for version in range(known.version + 1, newest.version + 1):
        _add(newest if version == newest.version else log.read(version), totals)
    return Totals(newest.job_id, newest.version, totals)


def _add(commit: Commit, totals: dict[str, TopicTotals]) -> None:
    if commit.operation == "repair":  # it tells all that was there once more
        totals.clear()
    for loaded in commit.ranges:
        before = totals.get(loaded.range.topic, TopicTotals())
        totals[loaded.range.topic] = TopicTotals(
            before.row_count + loaded.counts.row_count,
            before.quarantined_count + loaded.counts.quarantined_count,
            before.lost_count + loaded.counts.lost_count,
            before.size_bytes,
        )
    for file in commit.files:
        before = totals.get(file.ranges[0].topic, TopicTotals())
        totals[file.ranges[0].topic] = TopicTotals(
            before.row_count, before.quarantined_count, before.lost_count, before.size_bytes + file.size_bytes
        )
