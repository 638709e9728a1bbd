"""`kafka-loader repair`: shows what is left of a ledger, asks, and makes it anew."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from loader.cli import process, text
from loader.cli.decisions import tell_commit
from loader.cli.logs import EventLog
from loader.commits.record import Commit
from loader.errors import PersonDecides
from loader.operations.repairs.repair import Proposal, propose, write_repair
from loader.values.documents import encode_loaded_range

REFUSED = PersonDecides.exit_status


def repair(config: Path, is_agreed: bool, accept_loss: bool, as_json: bool, log: EventLog) -> int:
    """Print what was found and what would be written; write it when a person agrees. The exit status."""
    with text.only_a_document() if as_json else nullcontext():
        return _repair(config, is_agreed, accept_loss, as_json, log)


def _repair(config: Path, is_agreed: bool, accept_loss: bool, as_json: bool, log: EventLog) -> int:
    job = process.read_job(config)
    log.job = job.name
    proposal = propose(job, process.now_ms(), process.is_dead)
    if proposal is None:
        _say(f"nothing to repair: the ledger of job {job.name} and its files are whole", as_json)
        if as_json:
            text.print_json({"job": job.name, "repaired": False, "sound": True})
        return 0
    if not as_json:
        _print(proposal)
    refusal = _refusal(proposal, is_agreed, accept_loss, as_json)
    commit = None
    if not refusal:
        log.run_id = process.new_run_id()
        ticket = process.new_ticket(proposal.version - 1, log.run_id)
        commit = write_repair(job, proposal, ticket, process.now_ms(), process.is_dead)
        tell_commit(log, commit)
    if as_json:
        text.print_json({"job": job.name, **_document(proposal, commit), "refusal": refusal})
    if refusal:
        log.warning("refused", f"nothing was written: {refusal}")
        return REFUSED
    _say(
        f"wrote commit {proposal.version}, with which the ledger begins anew;"
        f" next: kafka-loader verify {config}",
        as_json,
    )
    return 0


def _refusal(proposal: Proposal, is_agreed: bool, accept_loss: bool, as_json: bool) -> str:
    """Why nothing is written; "" when a person agrees to it."""
    lost_count = proposal.ledger.counts.lost_count
    known_count = sum(claim.counts.lost_count for claim in proposal.survey.evidence.claims)
    if lost_count > known_count and not accept_loss:
        return (
            f"{text.plural(lost_count - known_count, 'offset')} would be recorded as lost; restore the files"
            " from a backup, or agree with --accept-loss"
        )
    if is_agreed:
        return ""
    if as_json or not sys.stdin.isatty():
        return "nobody was there to ask; agree with --yes"
    answer = input(f"Write commit {proposal.version}? [y/N] ")
    return "" if answer.strip().lower() in ("y", "yes") else "that is what you chose"


def _print(proposal: Proposal) -> None:
    found, ledger = proposal.survey, proposal.ledger
    if found.problem is not None:
        text.say(f"runs stop here: {found.problem.args[0]}")
    good = [commit.version for commit in found.evidence.commits]
    text.say(f"good commits: {_numbers(good)}")
    for number, problem in sorted(found.damaged.items()):
        text.say(f"damaged commit {number}: {problem}")
    if found.identity is None:
        text.say(f"job.json is missing or damaged: it would be made anew for cluster {proposal.cluster_id}")
    for share in found.evidence.shares:
        whole = "" if share.is_whole else ", and others that are missing"
        rows = text.plural(sum(file.row_count for file in share.files), "row")
        text.say(
            f"not in a good commit: {text.plural(len(share.files), 'file')} of run {share.run_id} with {rows}"
            f" of {share.topic}{whole}"
        )
    for path in sorted(found.staged):
        text.say(f"committed but not visible yet, would be published: {path}")
    for path in sorted(found.taken_away):
        text.say(f"taken away by a good commit and still visible, would be deleted: {path}")
    for file in found.evidence.missing_files:
        text.say(f"missing: {file.path}, {text.plural(file.row_count, 'row')}")
    for note in found.notes:
        text.say(note)
    text.say(
        f"would write commit {proposal.version}: {text.plural(ledger.counts.row_count, 'row')} in"
        f" {text.plural(len(ledger.files), 'file')}"
    )
    text.print_table(
        {
            "partition": "left",
            "from": "right",
            "next offset": "right",
            "rows": "right",
            "quarantined": "right",
            "lost": "right",
        },
        [
            [
                str(loaded.range.topic_partition),
                text.count(loaded.range.start_offset),
                text.count(loaded.range.end_offset),
                text.count(loaded.counts.row_count),
                text.count(loaded.counts.quarantined_count),
                text.count(loaded.counts.lost_count),
            ]
            for loaded in ledger.ranges
        ],
    )
    for lost in ledger.lost_ranges:
        text.say(f"offsets that are lost, or among which some are: {lost}")


def _numbers(numbers: list[int]) -> str:
    if not numbers:
        return "none"
    return f"{text.count(len(numbers))}, of {numbers[0]} to {numbers[-1]}"


def _document(proposal: Proposal, commit: Commit | None) -> dict[str, Any]:
    found, ledger = proposal.survey, proposal.ledger
    return {
        "repaired": commit is not None,
        "sound": False,
        "version": proposal.version,
        "problem": found.problem.args[0] if found.problem else None,
        "good_commits": [commit.version for commit in found.evidence.commits],
        "damaged_commits": {str(number): problem for number, problem in sorted(found.damaged.items())},
        "identity_missing": found.identity is None,
        "files_without_commit": [file.path for share in found.evidence.shares for file in share.files],
        "files_to_publish": sorted(found.staged),
        "files_to_delete": sorted(found.taken_away),
        "missing_files": [file.path for file in found.evidence.missing_files],
        "notes": list(found.notes),
        "row_count": ledger.counts.row_count,
        "quarantined_count": ledger.counts.quarantined_count,
        "file_count": len(ledger.files),
        "lost_count": ledger.counts.lost_count,
        "ranges": [encode_loaded_range(loaded) for loaded in ledger.ranges],
    }


def _say(line: str, as_json: bool) -> None:
    if not as_json:
        text.say(line)
