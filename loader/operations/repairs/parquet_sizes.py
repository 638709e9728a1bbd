"""The Parquet files below a destination, whoever wrote them: their paths and sizes."""

from collections.abc import Iterator, Set

from loader.errors import PathNotFound
from loader.operations.job import Job
from loader.values import layout


def published_sizes(job: Job) -> dict[str, int]:
    """Every Parquet file below the topics' folders, and of their quarantine, which readers do not see."""
    rows = {path: size for path, size in _parquet_sizes(job, "") if "/" in path}
    return rows | dict(_parquet_sizes(job, layout.QUARANTINE_FOLDER))


def staged_sizes(job: Job, but_of: Set[str]) -> dict[str, int]:
    """Every staged Parquet file, but of the runs whose good commits tell which of theirs count."""
    sizes = dict(_parquet_sizes(job, layout.runs_folder(job.name)))
    return {path: size for path, size in sizes.items() if path.split("/")[3] not in but_of}


def _parquet_sizes(job: Job, folder: str) -> Iterator[tuple[str, int]]:
    """Also those in folders of it, but nothing that Spark and Hive do not see by its name."""
    try:
        entries = job.storage.list(folder)
    except PathNotFound:
        return
    for entry in entries:
        if entry.path.rpartition("/")[2].startswith(("_", ".")):
            continue
        if entry.is_folder:
            yield from _parquet_sizes(job, entry.path)
        elif entry.path.endswith(".parquet"):
            yield entry.path, entry.size_bytes
