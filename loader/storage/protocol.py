"""What the loader needs of a file system, and what each answer means.

A `Storage` is rooted at one folder, the destination; paths are relative to it, with `/` between
their parts, so that nothing written down breaks when the destination moves.

Every call on HDFS ends within a deadline of the storage's own, counted from the last progress;
on local storage the kernel decides. Every failure is a LoaderError:

PathNotFound, PathExists   an answer: the caller decides
AccessDenied               permissions, or a login that failed
ConfigError                a destination that cannot hold this: a file where a folder must be, ...
StorageFull                space or quota
StorageUnavailable         no answer, or a fault of the file system
MoveOutcomeUnknown         a move that may or may not have been done

A path with a part that is empty, "." or "..", or a new name that some file system could not hold, is a
bug of the caller: ValueError.

A `Storage` is a value: it can be pickled, and used after a fork.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class FileStatus:
    """One entry of a folder. Times are milliseconds since 1970, by the file system's clock.

    A folder has size 0.
    """

    path: str
    size_bytes: int
    modified_ms: int
    is_folder: bool


class OutputFile(Protocol):
    """A file being written. Leaving `with` by an exception abandons and deletes it.

    A clean exit makes the bytes durable: fsync on local storage, a completed file on HDFS.
    """

    def write(self, data: bytes | memoryview) -> int:
        """Append; returns how many bytes, always all."""
        ...

    def tell(self) -> int:
        """How many bytes were written."""
        ...

    def flush(self) -> None:
        """Nothing to do before the end; there because pyarrow calls it."""
        ...

    def __enter__(self) -> "OutputFile": ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class Storage(Protocol):
    """One destination."""

    @property
    def url(self) -> str:
        """The root, with its scheme and without a trailing slash."""
        ...

    def create(self, path: str) -> OutputFile:
        """Open a new file for writing; makes missing parent folders.

        Raises PathExists when there is one of that name.
        """
        ...

    def open(self, path: str) -> BinaryIO:
        """Open a file for seeking and reading. Raises PathNotFound, of a folder too."""
        ...

    def read(self, path: str) -> bytes:
        """The whole of a file. Raises PathNotFound, of a folder too."""
        ...

    def status(self, path: str) -> FileStatus:
        """What is at `path`. Raises PathNotFound."""
        ...

    def list(self, folder: str) -> Sequence[FileStatus]:
        """The entries directly in a folder, sorted by path; "" is the root.

        An answer is complete: a folder that could not be read to its end raises StorageUnavailable.
        Raises PathNotFound, of a file too.
        """
        ...

    def names(self, folder: str) -> Sequence[str]:
        """The names of the entries directly in a folder, sorted; "" is the root.

        Raises what `list` raises, and is as complete, but costs a small part of it where there are many.
        """
        ...

    def make_folder(self, path: str) -> None:
        """Make a folder and its missing parents; one that exists is fine.

        Raises PathExists where a file has the name.
        """
        ...

    def move(self, source: str, target: str) -> None:
        """Rename a file in one atomic step, never over another; makes the target's missing parents.

        The new name is durable on return. Of several movers to one target exactly one returns; movers
        of one source to one target finish each other's move, so there all may return.

        Raises PathNotFound for a source that is missing or a folder, PathExists when the target's name is
        taken, by a folder too, and MoveOutcomeUnknown when it cannot be told. PathExists always means the
        target: a file in the place of one of its parents is a ConfigError.
        """
        ...

    def delete(self, path: str) -> bool:
        """Delete a file, or a folder with all in it; False when there was nothing.

        It may come back when the power fails soon after. The root is not deleted: ValueError.
        """
        ...
