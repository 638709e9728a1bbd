"""`kafka-loader position`: shows where the position would go, asks, and moves it."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from loader.cli import process, text
from loader.cli.agreement import NOT_AGREED, Agreement
from loader.cli.decisions import tell_commit
from loader.cli.places import parse_place
from loader.commits.record import Commit
from loader.operations.changes.positions import PositionPlan, RewindBy, plan_move, plan_undo, write_moves
from loader.operations.job import Job


def set_position(config: Path, topic: str, partition: int | None, to: str, agreement: Agreement) -> int:
    """Move to a place, when a person agrees; the exit status."""
    agreement.require_reason()
    job = process.read_job(config)
    place = parse_place("--to", to, process.now_ms())
    return _move(job, plan_move(job, topic, partition, place), config, agreement)


def rewind(config: Path, topic: str, partition: int | None, by: int, agreement: Agreement) -> int:
    """Move back by some offsets, when a person agrees; the exit status."""
    agreement.require_reason()
    job = process.read_job(config)
    return _move(job, plan_move(job, topic, partition, RewindBy(by)), config, agreement)


def undo(config: Path, topic: str | None, agreement: Agreement) -> int:
    """Move back to where the position was before it was moved last, when a person agrees; the exit status."""
    agreement.require_reason()
    job = process.read_job(config)
    return _move(job, plan_undo(job, topic), config, agreement)


def _move(job: Job, plan: PositionPlan, config: Path, agreement: Agreement) -> int:
    log = agreement.log
    with text.only_a_document() if agreement.as_json else nullcontext():
        if not agreement.as_json:
            _print(job, plan)
        refused = agreement.refusal("Move the position?") if plan.moves else ""
        commit = None
        if plan.moves and not refused:
            log.job, log.run_id = job.name, process.new_run_id()
            ticket = process.new_ticket(plan.newest.version, log.run_id)
            commit = write_moves(job, plan, ticket, agreement.reason, process.now_ms, process.is_dead)
            tell_commit(log, commit)
        if agreement.as_json:
            text.print_json(_document(job, plan, commit, refused))
        elif commit is not None:
            undo_command = f"kafka-loader position undo {config} --reason …"
            text.say(f"moved by commit {commit.version}; to take it back: {undo_command}")
        if refused:
            log.warning("refused", f"nothing was moved: {refused}")
        return NOT_AGREED if refused else 0


def _print(job: Job, plan: PositionPlan) -> None:
    if plan.undoes is not None:
        text.say(f"commit {plan.undoes} moved the position last")
    if not plan.moves:
        text.say(f"nothing to move: job {job.name} stands there already, at commit {plan.newest.version}")
        return
    text.print_table(
        {
            "partition": "left",
            "from": "right",
            "to": "right",
            "loaded again": "right",
            "left out": "right",
        },
        [
            [
                str(move.partition),
                text.count(move.before.next_offset),
                text.count(move.after.next_offset),
                text.count(move.again_count),
                text.count(move.skipped_count),
            ]
            for move in plan.moves
        ],
    )
    again = sum(move.again_count for move in plan.moves)
    skipped = sum(move.skipped_count for move in plan.moves)
    if again:
        text.say(f"the next runs load {text.plural(again, 'offset')} again, in the place of their rows")
    if skipped:
        text.say(f"the next runs leave {text.plural(skipped, 'offset')} out; backfill can load them later")


def _document(job: Job, plan: PositionPlan, commit: Commit | None, refused: str) -> dict[str, Any]:
    return {
        "job": job.name,
        "base_version": plan.newest.version,
        "version": commit.version if commit else None,
        "moved": commit is not None,
        "refusal": refused,
        "undoes_version": plan.undoes,
        "partitions": [
            {
                "topic": move.partition.topic,
                "partition": move.partition.partition,
                "from_offset": move.before.next_offset,
                "to_offset": move.after.next_offset,
                "again_count": move.again_count,
                "skipped_count": move.skipped_count,
            }
            for move in plan.moves
        ],
    }
