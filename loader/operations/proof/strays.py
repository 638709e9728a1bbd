"""Files in the topics' folders that no commit lists: readers of a folder see them, this loader never does."""

from collections.abc import Iterator, Sequence

from loader.commits.log import CommitLog
from loader.commits.publish import is_published
from loader.errors import REPAIR, Choice, PathNotFound, UnreadableFile
from loader.operations.job import Job
from loader.operations.proof.findings import MOVE_AWAY, Findings
from loader.operations.proof.ledger import Ledger
from loader.storage.protocol import FileStatus
from loader.tables.footers import Footer, read_footer
from loader.values import layout


def find_strays(job: Job, ledger: Ledger, findings: Findings) -> None:
    """Tell of every file that no commit lists: a problem where it is of this job, else a note."""
    known = {*ledger.listed, *_waiting_to_go(job, ledger)}
    later: set[str] | None = None
    for file in _topic_files(job, ledger):
        if file.path in known:
            continue
        name = f"{job.storage.url}/{file.path}"
        try:
            footer = read_footer(job.storage, file.path, file.size_bytes)
        except PathNotFound:
            continue  # gone since it was listed
        except UnreadableFile as error:
            findings.note(f"no commit lists {name}, and it cannot be read, though readers will try: {error}")
            continue
        if footer is None:
            findings.note(f"no commit lists {name}: another program wrote it, and readers see its rows")
        elif footer.job_id != ledger.job_id and footer.job != job.name:
            findings.note(f"no commit of this job lists {name}: job {footer.job} wrote it")
        else:
            later = _later_paths(job, ledger) if later is None else later
            if file.path not in later:
                _tell(footer, name, ledger, findings)


def _waiting_to_go(job: Job, ledger: Ledger) -> Sequence[str]:
    """Files that the newest commit took away, as long as it is not published."""
    newest = ledger.newest
    if newest is None or not newest.removed_files or is_published(job.storage, job.name, newest):
        return ()
    return newest.removed_files


def _tell(footer: Footer, name: str, ledger: Ledger, findings: Findings) -> None:
    file = footer.file
    choices: tuple[Choice, ...] = (MOVE_AWAY,)
    said = f"no commit lists {name}, {file.row_count} rows of {', '.join(map(str, file.ranges))}"
    if file.path in ledger.removed:
        said += ": a commit took it away"
    elif footer.named_path != file.path and footer.named_path in ledger.listed:
        said += f": a copy of {footer.named_path}, so readers see its rows twice"
    else:
        choices = (MOVE_AWAY, REPAIR)
        said += (
            f", which run {footer.run_id} of this job wrote: the ledger may have lost that run's commit, or"
            " readers see its rows twice"
        )
    findings.problem("stray-file", said, file.path, choices)


def _topic_files(job: Job, ledger: Ledger) -> Iterator[FileStatus]:
    """What a reader of the topics' folders sees, or of the quarantine.

    Spark and Hive skip names that begin with _ or a dot.
    """
    topics = {partition.topic for partition in ledger.partitions}
    for entry in (*_visible(job, ""), *_visible(job, layout.QUARANTINE_FOLDER)):
        topic = _topic_of(entry.path)
        if entry.is_folder and (topic in topics or job.config.topic_config(topic) is not None):
            yield from _files_below(job, entry.path)


def _files_below(job: Job, folder: str) -> Iterator[FileStatus]:
    for entry in _visible(job, folder):
        if entry.is_folder:
            yield from _files_below(job, entry.path)
        else:
            yield entry


def _visible(job: Job, folder: str) -> list[FileStatus]:
    try:
        entries = job.storage.list(folder)
    except PathNotFound:
        return []
    return [entry for entry in entries if not entry.path.rpartition("/")[2].startswith(("_", "."))]


def _topic_of(folder: str) -> str:
    """The topic whose rows, or quarantined records, a folder holds."""
    folder = folder.removeprefix(f"{layout.QUARANTINE_FOLDER}/")
    for character, written in layout.HIDING_CHARACTERS.items():
        if folder.startswith(written):
            return character + folder.removeprefix(written)
    return folder


def _later_paths(job: Job, ledger: Ledger) -> set[str]:
    """Files of commits that were made since the ledger was read."""
    log = CommitLog(job.storage, job.name)
    newest = ledger.versions[-1] if ledger.versions else 0
    # Not below those that were damaged when the ledger was read: they still are.
    later = [number for number in log.numbers() if number > newest and number not in ledger.damaged]
    return {file.path for number in later for file in log.read(number).files}
