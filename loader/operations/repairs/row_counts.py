"""How many rows of a range are there: asked of the files where the ledger alone cannot tell."""

from collections.abc import Mapping

from loader.commits.evidence import Evidence, by_partition
from loader.errors import REPAIR, LedgerDamaged, UnreadableFile
from loader.operations.job import Job
from loader.tables.offsets import read_offsets
from loader.tables.opening import opened
from loader.tables.seen_offsets import SeenOffsets
from loader.values import OffsetRange, RangeCounts


def count_rows(job: Job, evidence: Evidence, staged: Mapping[str, str]) -> dict[OffsetRange, RangeCounts]:
    """The rows and the quarantined records of each doubtful range, counted in the files that may hold some.

    staged  where files lie that are not published yet, by their paths

    Takes a bit of memory for each offset of these ranges. Raises LedgerDamaged where a file that must be
    counted cannot be read, and where files hold the same rows.
    """
    counts = dict.fromkeys(evidence.doubtful, RangeCounts())
    seen = {wanted: SeenOffsets(wanted.start_offset, wanted.end_offset) for wanted in counts}
    doubled: dict[str, str] = {}
    doubtful = by_partition(counts)
    # A kill can leave older files beside those that their rows were written again to: the older are named.
    rewritten = {file.path: file for file in evidence.rewritten}
    for file in {**rewritten, **{file.path: file for file in evidence.files}}.values():
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
                            again = seen[wanted].mark(rows.offsets[inside])
                            if len(again):
                                doubled[file.path] = f"{wanted.topic_partition} at offset {again[0]}"
        except UnreadableFile as error:
            raise LedgerDamaged(
                f"the rows of {file.path} must be counted, since other files with offsets of its ranges are"
                f" missing; but {error} Nothing was written. Restore the file from a backup or snapshot, or"
                " move it away: its rows are lost then.",
                [REPAIR],
            ) from error
    if doubled:
        path, place = next(iter(doubled.items()))
        raise LedgerDamaged(
            f"{len(doubled)} of the files hold rows that others hold too, as {path} that of {place}. Nothing"
            " was written. Move these files away, to where no reader looks, and keep them until the repaired"
            f" ledger is verified: {', '.join(sorted(doubled))}.",
            [REPAIR],
        )
    return counts
