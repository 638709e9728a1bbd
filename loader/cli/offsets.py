"""`kafka-loader offsets`: which offsets each commit loaded. Asks the ledger only, no broker."""

from pathlib import Path

from loader.cli import process, text
from loader.operations.history import LoadedOffsets, read_history
from loader.values.documents import encode_loaded_range


def offsets(config: Path, topic: str | None, last: int, as_json: bool) -> int:
    """Print the loaded offsets of the newest commits and return the exit status."""
    job = process.read_job(config)
    rows = read_history(job, topic, last)
    if as_json:
        text.print_json([_document(row) for row in rows])
        return 0
    text.print_table(
        {
            "commit": "right",
            "committed": "left",
            "partition": "left",
            "from": "right",
            "to": "right",
            "rows": "right",
            "quarantined": "right",
            "aborted": "right",
            "markers": "right",
            "compacted": "right",
            "lost": "right",
        },
        [
            [
                text.count(row.version),
                text.moment(row.committed_at_ms),
                str(row.loaded.range.topic_partition),
                text.count(row.loaded.range.start_offset),
                text.count(row.loaded.range.end_offset),
                text.count(row.loaded.counts.row_count),
                text.count(row.loaded.counts.quarantined_count),
                text.count(row.loaded.counts.aborted_count),
                text.count(row.loaded.counts.control_count),
                text.count(row.loaded.counts.compacted_count),
                text.count(row.loaded.counts.lost_count),
            ]
            for row in rows
        ],
    )
    return 0


def _document(row: LoadedOffsets) -> dict[str, object]:
    return {
        "version": row.version,
        "run_id": row.run_id,
        "committed_at_ms": row.committed_at_ms,
        **encode_loaded_range(row.loaded),
    }
