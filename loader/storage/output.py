"""The one rule of a file being written: it is finished on a clean exit, and gone after any other.

Both file systems share it, because their own writers get it wrong in the same way: closing, and
for hdfs-native even garbage collection, would publish half a file as a whole one.
"""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from loader.errors import LoaderError


class AbandonableFile(ABC):
    """An OutputFile in the terms of three steps that a file system provides."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.closed = False  # pyarrow asks before it writes
        self._size_bytes = 0

    @abstractmethod
    def _append(self, data: memoryview) -> None:
        """Take all of `data`."""

    @abstractmethod
    def _finish(self) -> None:
        """Make the bytes durable under the file's name."""

    @abstractmethod
    def _abandon(self) -> None:
        """Let go of the file and delete what there is of it."""

    def write(self, data: bytes | memoryview) -> int:
        """Append; returns how many bytes, always all."""
        if self.closed:
            raise ValueError(f"{self.path}: written to after its end")
        view = memoryview(data).cast("B")
        self._append(view)
        self._size_bytes += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """How many bytes were written."""
        return self._size_bytes

    def flush(self) -> None:  # noqa: B027 - not abstract: no file system has anything to do here
        """Nothing to do before the end; there because pyarrow calls it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.closed:
            return
        self.closed = True
        if error is None:
            try:
                self._finish()
            except BaseException as failure:
                self._abandon_after(failure)
                raise
        else:
            self._abandon_after(error)

    def _abandon_after(self, error: BaseException) -> None:
        try:
            self._abandon()
        except LoaderError as leftover:
            # The first error is the one to act on; the leftover has a name that no reader looks at.
            error.add_note(f"The unfinished file {self.path} could not be deleted: {leftover}")
