"""Open files of an HDFS: one being written, one being read."""

import io
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from loader.errors import StorageUnavailable
from loader.storage.hdfs_connection import wait_for_own_sockets
from loader.storage.output import AbandonableFile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from hdfs_native._internal import RawFileReader, RawFileWriter

T = TypeVar("T")

_WRITE_BYTES = 1 << 20  # enough for the time of a call to be that of its bytes
_READ_BYTES = 4 << 20


class Owner(Protocol):
    """What an open file needs of its storage."""

    @property
    def url(self) -> str:
        """The root of the storage."""
        ...

    def transfer(self, verb: str, path: str, call: Callable[[], T]) -> T:
        """Send or fetch a piece within the deadline. Raises what a Storage raises."""
        ...

    def delete(self, path: str) -> bool:
        """Delete what was written of it."""
        ...


class HdfsOutputFile(AbandonableFile):
    """Collects small writes: a Parquet writer sends its pages one by one."""

    def __init__(self, storage: Owner, path: str, writer: "RawFileWriter") -> None:
        super().__init__(path)
        self._storage = storage
        self._writer: RawFileWriter | None = writer
        self._pending = bytearray()

    def _append(self, data: memoryview) -> None:
        self._pending += data
        if len(self._pending) >= _WRITE_BYTES:
            self._send()

    def _finish(self) -> None:
        if self._pending:
            self._send()
        assert self._writer is not None  # noqa: S101 - only _abandon lets go of it, and nothing comes after
        self._storage.transfer("finish", self.path, self._writer.close)

    def _abandon(self) -> None:
        self._writer = None  # its lease is renewed no more
        self._storage.delete(self.path)

    def _send(self) -> None:
        # A bytearray goes over in one copy; a memoryview would be taken byte by byte, at 16 MB/s.
        data, self._pending = self._pending, bytearray()
        assert self._writer is not None  # noqa: S101
        self._storage.transfer("write", self.path, partial(self._writer.write, data))


class HdfsReader(io.RawIOBase):
    """An open file, read in large pieces."""

    def __init__(self, storage: Owner, path: str, raw: "RawFileReader") -> None:
        self._storage, self._path, self._raw = storage, path, raw
        self._size_bytes, self._position = raw.file_length(), 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move there, also behind the end, where nothing is read."""
        # Kept here: hdfs-native panics at a position behind the end.
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size_bytes}[whence]
        if start + offset < 0:
            raise ValueError(f"{self._path}: no position {start + offset}")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill some of the buffer; 0 at the end. Raises what a Storage raises."""
        view = memoryview(buffer).cast("B")
        piece = self._next_piece(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def readall(self) -> bytes:
        """Everything from here on."""
        # Python's own asks for 8 KiB at a time, and each would be a stream of its own: 4 MB/s.
        return b"".join(iter(lambda: self._next_piece(_READ_BYTES), b""))

    def _next_piece(self, limit_bytes: int) -> bytes:
        size = min(limit_bytes, _READ_BYTES, self._size_bytes - self._position)
        if size <= 0:
            return b""
        wait_for_own_sockets()
        data = self._storage.transfer("read", self._path, lambda: self._raw.read_range(self._position, size))
        if len(data) != size:
            raise StorageUnavailable(
                f"{self._storage.url}/{self._path}: {len(data)} bytes came where {size} were asked for, at"
                f" {self._position} of {self._size_bytes}. Run again; if it repeats, see `hdfs fsck`."
            )
        self._position += size
        return data
