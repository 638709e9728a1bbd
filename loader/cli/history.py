"""`kafka-loader history`: what each commit did. Asks the ledger only, no broker."""

from collections.abc import Sequence
from pathlib import Path

from loader.cli import process, text
from loader.cli.history_documents import (
    bytes_of,
    details_document,
    difference_document,
    rows_of,
    summary_document,
)
from loader.operations.watch.history import (
    ColumnChange,
    CommitDetails,
    CommitSummary,
    Difference,
    Move,
    read_commit,
    read_difference,
    read_history,
)
from loader.values import DataFile

MOST_FILES = 20
"""Of one kind are listed for a person; --json has all."""


def list_history(config: Path, topic: str | None, last: int, as_json: bool) -> int:
    """Print the newest commits and return the exit status."""
    job = process.read_job(config)
    commits = read_history(job, topic, last)
    if as_json:
        text.print_json([summary_document(each) for each in commits])
    elif commits:
        _print_commits(commits)
        text.say(f"one of them: kafka-loader history show {config} {commits[-1].version}")
    elif topic is not None:
        text.say(f"no commit of job {job.name} has touched topic {topic}")
    else:
        text.say(f"job {job.name} has not run yet; next: kafka-loader run {config}")
    return 0


def show_commit(config: Path, version: int, as_json: bool) -> int:
    """Print everything of one commit and return the exit status."""
    details = read_commit(process.read_job(config), version)
    if as_json:
        text.print_json(details_document(details))
    else:
        _print_details(details)
    return 0


def show_difference(config: Path, older: int, newer: int, as_json: bool) -> int:
    """Print what lies between two commits and return the exit status."""
    difference = read_difference(process.read_job(config), older, newer)
    if as_json:
        text.print_json(difference_document(difference))
    else:
        _print_difference(difference)
    return 0


def _print_commits(commits: Sequence[CommitSummary]) -> None:
    columns = {
        "commit": "right",
        "committed": "left",
        "took": "right",
        "operation": "left",
        "by": "left",
        "offsets": "right",
        "rows": "right",
        "files": "right",
        "size": "right",
        "removed": "right",
        "quarantined": "right",
        "lost": "right",
        "reason": "left",
    }
    rows = [
        [
            text.count(each.version),
            text.moment(each.committed_at_ms),
            _took(each.started_at_ms, each.committed_at_ms),
            each.operation,
            each.committed_by,
            text.count(each.offset_count),
            text.count(each.row_count),
            text.count(each.file_count),
            text.size(each.size_bytes),
            text.count(each.removed_file_count),
            text.count(each.quarantined_count),
            text.count(each.lost_count),
            each.reason,
        ]
        for each in commits
    ]
    # What is rare has a column only where there is some of it.
    used = [
        number
        for number, heading in enumerate(columns)
        if heading not in ("removed", "quarantined", "lost", "reason")
        or any(row[number] not in ("0", "") for row in rows)
    ]
    text.print_table(
        {heading: justify for number, (heading, justify) in enumerate(columns.items()) if number in used},
        [[row[number] for number in used] for row in rows],
        spare=[heading for heading in ("took", "by", "size") if heading in columns],
    )


def _print_details(details: CommitDetails) -> None:
    commit = details.commit
    text.say(
        f"commit {commit.version}: {commit.operation}, made {text.moment(commit.committed_at_ms)} by"
        f" {commit.committed_by}"
    )
    took = _took(commit.started_at_ms, commit.committed_at_ms)
    text.say(f"run {commit.run_id}, kafka-loader {commit.loader_version}, took {took}")
    if commit.reason:
        text.say(f"reason: {commit.reason}")
    if commit.ranges:
        _print_ranges(details)
    for lost in (lost for loaded in commit.ranges for lost in loaded.lost_ranges):
        text.say(f"lost for ever: {lost}")
    loaded = {each.range.topic_partition: each.range for each in commit.ranges}
    moved = [
        move
        for move in details.moves
        # The ranges show this already.
        if move.partition not in loaded or move.to_offset != loaded[move.partition].end_offset
    ]
    _print_moves(moved)
    _print_columns(details.columns)
    _print_files("files added", commit.files)
    _print_paths("files removed", commit.removed_files)


def _print_ranges(details: CommitDetails) -> None:
    columns = {"partition": "left", "from": "right", "to": "right", "rows": "right"}
    names = ("quarantined", "aborted", "control", "compacted", "lost")
    ranges = details.commit.ranges
    used = [name for name in names if any(getattr(each.counts, f"{name}_count") for each in ranges)]
    has_replaced = any(each.replaced for each in ranges)
    columns |= dict.fromkeys((*used, *(["replaced rows"] if has_replaced else []), "log"), "right")
    text.say()
    text.print_table(
        columns,
        [
            [
                str(each.range.topic_partition),
                text.count(each.range.start_offset),
                text.count(each.range.end_offset),
                text.count(each.counts.row_count),
                *(text.count(getattr(each.counts, f"{name}_count")) for name in used),
                *([text.count(each.replaced.row_count if each.replaced else 0)] if has_replaced else []),
                text.size(each.fetched_bytes),
            ]
            for each in ranges
        ],
    )


def _print_difference(difference: Difference) -> None:
    commits = difference.commits
    text.say(
        f"from commit {difference.older} to {difference.newer}: {text.plural(len(commits), 'commit')}, made"
        f" {text.moment(commits[0].committed_at_ms)} to {text.moment(commits[-1].committed_at_ms)}"
    )
    counts = [
        text.plural(sum(each.row_count for each in commits), "row") + " loaded",
        f"{text.count(sum(each.quarantined_count for each in commits))} quarantined",
        f"{text.count(sum(each.lost_count for each in commits))} lost",
    ]
    text.say(", ".join(counts))
    added, removed = difference.added, difference.removed
    known = [each.file for each in removed if each.file is not None]
    text.print_table(
        {"": "left", "files": "right", "rows": "right", "size": "right"},
        [
            [name, text.count(count), text.count(rows_of(files)), text.size(bytes_of(files))]
            for name, count, files in (
                ("added", len(added), added),
                ("removed", len(removed), known),
            )
        ],
    )
    if len(known) < len(removed):
        text.say(f"no commit tells the size of {text.plural(len(removed) - len(known), 'removed file')}")
    _print_moves(difference.moves)
    _print_columns(difference.columns)


def _print_moves(moves: Sequence[Move]) -> None:
    if not moves:
        return
    text.say()
    text.print_table(
        {"position": "left", "from": "right", "to": "right", "moved by": "right"},
        [
            [
                str(move.partition),
                _offset(move.from_offset),
                _offset(move.to_offset),
                ""
                if move.from_offset is None or move.to_offset is None
                else f"{move.to_offset - move.from_offset:+,}",
            ]
            for move in moves
        ],
    )


def _print_columns(changes: Sequence[ColumnChange]) -> None:
    if not changes:
        return
    text.say()
    text.print_table(
        {"topic": "left", "column": "left", "was": "left", "is": "left"},
        [[each.topic, each.column, each.before or "-", each.after or "-"] for each in changes],
    )


def _print_files(title: str, files: Sequence[DataFile]) -> None:
    if files:
        text.say(f"\n{title}: {len(files):,}, {text.size(bytes_of(files))}")
        for file in files[:MOST_FILES]:
            text.say(f"  {file.path}  {text.plural(file.row_count, 'row')}, {text.size(file.size_bytes)}")
        _say_more(len(files))


def _print_paths(title: str, paths: Sequence[str]) -> None:
    if paths:
        text.say(f"\n{title}: {len(paths):,}")
        for path in paths[:MOST_FILES]:
            text.say(f"  {path}")
        _say_more(len(paths))


def _say_more(count: int) -> None:
    if count > MOST_FILES:
        text.say(f"  and {count - MOST_FILES:,} more: --json has all")


def _took(started_at_ms: int | None, committed_at_ms: int) -> str:
    return "-" if started_at_ms is None else text.duration(max(committed_at_ms - started_at_ms, 0) / 1000)


def _offset(offset: int | None) -> str:
    return "-" if offset is None else text.count(offset)
