"""Where everything lies below a destination, and what it is called.

    <topic>/dt=2026-11-22/hour=10/<name>.parquet    published rows
    _quarantine/<topic>/<name>.parquet              records that could not be decoded
    _loader/<job>/job.json                          identity of the job
    _loader/<job>/commits/<20 digits>.json          the ledger
    _loader/<job>/runs/<run id>/                    one run's staged files
    _loader/<job>/newest/<20 digits>/               number of the newest published commit
    _loader/<job>/first/<20 digits>/                number of the first commit, where it is not 1
    _loader/<job>/offsets/<first>-<last>.parquet    what commits loaded, as a table

Spark and Hive do not see names that begin with `_` or `.`: this hides `_loader`, and would hide the
rows of a topic called `_schemas`. Such a first character is written as %5F or %2E; `%` is in no topic
name, so two topics never meet in one folder.
"""

import hashlib
import re
from datetime import UTC, datetime, timedelta

from loader.values.offsets import OffsetRange

LOADER_FOLDER = "_loader"
QUARANTINE_FOLDER = "_quarantine"
NO_TIME_FOLDER = "dt=__HIVE_DEFAULT_PARTITION__"
"""Where rows without a timestamp go: the name by which Hive and Spark read a null."""

MAX_NAME_BYTES = 255
"""Of one path element, on HDFS (dfs.namenode.fs-limits.max-component-length) as on Linux."""

_TIME_FOLDER = re.compile(r"(?:[^/]+/)+dt=(\d{4}-\d\d-\d\d)(?:/hour=(\d\d))?")

HIDING_CHARACTERS = {"_": "%5F", ".": "%2E"}


def topic_folder(topic: str) -> str:
    """The folder of a topic's rows."""
    return HIDING_CHARACTERS.get(topic[0], topic[0]) + topic[1:]


def quarantine_folder(topic: str) -> str:
    """The folder of a topic's records that could not be decoded."""
    return f"{QUARANTINE_FOLDER}/{topic_folder(topic)}"


def is_quarantined(path: str) -> bool:
    """Whether a file of this published path holds records that could not be decoded."""
    return path.startswith(f"{QUARANTINE_FOLDER}/")


def job_folder(job: str) -> str:
    """The folder of a job's ledger and runs."""
    return f"{LOADER_FOLDER}/{job}"


def identity_path(job: str) -> str:
    """The job's identity document."""
    return f"{job_folder(job)}/job.json"


def commits_folder(job: str) -> str:
    """The folder of the ledger."""
    return f"{job_folder(job)}/commits"


def commit_path(job: str, version: int) -> str:
    """One commit. Twenty digits keep the order of names and of numbers the same."""
    return f"{commits_folder(job)}/{version:020d}.json"


def newest_folder(job: str) -> str:
    """Where the number of the newest published commit is marked."""
    return f"{job_folder(job)}/newest"


def first_folder(job: str) -> str:
    """Where the number is marked that a repaired ledger begins with."""
    return f"{job_folder(job)}/first"


def offsets_folder(job: str) -> str:
    """What the commits loaded, as a table."""
    return f"{job_folder(job)}/offsets"


def offsets_path(job: str, first: int, last: int) -> str:
    """The part of that table which holds the commits first to last."""
    return f"{offsets_folder(job)}/{first:020d}-{last:020d}.parquet"


def runs_folder(job: str) -> str:
    """The folder of the runs that are not finished."""
    return f"{job_folder(job)}/runs"


def run_folder(job: str, run_id: str) -> str:
    """The staged files of one run."""
    return f"{runs_folder(job)}/{run_id}"


def time_folder(partition_by: str, hour: int | None) -> str:
    """The folder of a time below its topic; "" when rows are not partitioned by time.

    partition_by  none, day or hour
    hour          hours since 1970 UTC; None for rows without a timestamp
    """
    if partition_by == "none":
        return ""
    no_hour = "/hour=__HIVE_DEFAULT_PARTITION__" if partition_by == "hour" else ""
    if hour is None:
        return NO_TIME_FOLDER + no_hour
    try:
        moment = datetime.fromtimestamp(hour * 3600, UTC)
    except (ValueError, OverflowError, OSError):  # outside the years 1 to 9999: no calendar has a name for it
        return NO_TIME_FOLDER + no_hour
    day = f"dt={moment.year:04d}-{moment.month:02d}-{moment.day:02d}"
    return f"{day}/hour={moment.hour:02d}" if partition_by == "hour" else day


def folder_end_ms(folder: str) -> int | None:
    """When the time of a published folder is over, in ms since 1970, exclusive; None where it has none."""
    match = _TIME_FOLDER.fullmatch(folder)
    if match is None:
        return None
    day = datetime.strptime(match[1], "%Y-%m-%d").replace(tzinfo=UTC)
    since_1970 = day - datetime(1970, 1, 1, tzinfo=UTC)
    since_1970 += timedelta(days=1) if match[2] is None else timedelta(hours=int(match[2]) + 1)
    return since_1970 // timedelta(milliseconds=1)


def data_file_name(ranges: tuple[OffsetRange, ...], unique_id: str) -> str:
    """The name of a file with the rows of these ranges of one topic.

    With one partition it tells the first and last offset; `unique_id` makes it unique for ever.
    """
    topic = topic_folder(ranges[0].topic)
    if len(ranges) == 1:
        only = ranges[0]
        rest = f"-{only.partition}-{only.start_offset}-{only.end_offset - 1}-{unique_id}.parquet"
    else:
        first, last = ranges[0].partition, ranges[-1].partition
        rest = f"-p{first}-p{last}-{unique_id}.parquet"
    room = MAX_NAME_BYTES - len(rest)
    if len(topic) > room:
        digest = hashlib.sha256(topic.encode()).hexdigest()[:12]
        topic = f"{topic[: room - len(digest) - 1]}~{digest}"
    return topic + rest
