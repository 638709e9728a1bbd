"""Which offsets were loaded when: the ledger, read back commit by commit."""

from dataclasses import dataclass

from loader.commits.log import CommitLog
from loader.operations.job import Job
from loader.values import LoadedRange


@dataclass(frozen=True, slots=True)
class LoadedOffsets:
    """One range of one commit."""

    version: int
    run_id: str
    committed_at_ms: int
    loaded: LoadedRange


def read_history(job: Job, topic: str | None, commit_count: int) -> list[LoadedOffsets]:
    """The ranges of the newest `commit_count` commits, oldest first; of one topic, or of all."""
    log = CommitLog(job.storage, job.name)
    rows = []
    for version in log.versions()[-commit_count:]:
        commit = log.read(version)
        rows += [
            LoadedOffsets(version, commit.run_id, commit.committed_at_ms, loaded)
            for loaded in commit.ranges
            if topic is None or loaded.range.topic == topic
        ]
    return rows
