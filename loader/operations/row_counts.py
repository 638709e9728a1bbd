"""How many rows of a range are there: asked of the files where the ledger alone cannot tell."""

from collections.abc import Mapping

from loader.commits.rebuild import Evidence, by_partition
from loader.errors import REPAIR, LedgerDamaged, UnreadableFile
from loader.operations.job import Job
from loader.tables.offsets import read_offsets
from loader.tables.opening import opened
from loader.values import OffsetRange, RangeCounts


def count_rows(job: Job, evidence: Evidence, staged: Mapping[str, str]) -> dict[OffsetRange, RangeCounts]:
    """The rows and the quarantined records of each doubtful range, counted in the files that may hold some.

    staged  where files lie that are not published yet, by their paths

    Raises LedgerDamaged where a file that must be counted cannot be read.
    """
    counts = dict.fromkeys(evidence.doubtful, RangeCounts())
    doubtful = by_partition(counts)
    for file in evidence.files:
        if file.is_replay:
            continue  # its records are counted in the quarantine
        in_question = {
            wanted
            for span in file.ranges
            for wanted in doubtful.get(span.topic_partition, ())
            if span.overlaps(wanted)
        }
        if not in_question:
            continue
        try:
            with opened(job.storage, staged.get(file.path, file.path)) as parquet:
                for rows in read_offsets(parquet):
                    for wanted in in_question:
                        if (wanted.topic, wanted.partition) == (rows.topic, rows.partition):
                            inside = (rows.offsets >= wanted.start_offset) & (
                                rows.offsets < wanted.end_offset
                            )
                            name = "quarantined_count" if file.is_quarantine else "row_count"
                            counts[wanted] += RangeCounts(**{name: int(inside.sum())})
        except UnreadableFile as error:
            raise LedgerDamaged(
                f"the rows of {file.path} must be counted, since other files with offsets of its ranges are"
                f" missing; but {error} Nothing was written. Restore the file from a backup or snapshot, or"
                " move it away: its rows are lost then.",
                [REPAIR],
            ) from error
    return counts
