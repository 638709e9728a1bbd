"""Answers that a caller in this package judges; and the ends of a run that ask nobody for anything."""

from loader.errors.base import LoaderError


class PathNotFound(LoaderError):
    """The path does not exist. An expected answer of a file system; callers decide on it."""


class PathExists(LoaderError):
    """The target exists already and was left as it is."""


class UnreadableFile(LoaderError):
    """Not a Parquet file, or a broken one. Whether that matters, its place in the ledger decides."""


class CoverageGap(LoaderError):
    """The manifests do not explain every planned offset: a bug; nothing was committed."""


class CommitSuperseded(LoaderError):
    """Another run committed first; this one left nothing behind."""

    exit_status = 5

    def __init__(self, version: int, run_id: str, other_run_id: str) -> None:
        super().__init__(
            f"run {run_id}: run {other_run_id} committed version {version} first. This run committed nothing"
            " and removed its files; what the other one loaded is complete."
        )
        self.version, self.run_id, self.other_run_id = version, run_id, other_run_id
