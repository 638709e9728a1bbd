"""HDFS, by hdfs-native: no JVM and no libhdfs in the tasks.

Nameservices, failover and logins come from the Hadoop configuration (HADOOP_CONF_DIR) and the
environment (HADOOP_USER_NAME, a Kerberos ticket cache), which hdfs-native reads itself.

Three of its habits shape this module:

- A call can hang, or try for minutes to connect, so each has a deadline here (see deadline.py).
- A call whose connection broke fails though it may have been carried out; some versions send it again
  as a new one, which is then told "not found" or "exists". So a move believes no failure before it
  has looked.
- Its file object finishes the file when it is closed, or only collected as garbage. This module
  uses the raw writer below it, which finishes a file when told to and never else.
"""

import io
import socket
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from hdfs_native import WriteOptions

from loader.errors import (
    ConfigError,
    LoaderError,
    MoveOutcomeUnknown,
    PathExists,
    PathNotFound,
    StorageUnavailable,
)
from loader.storage.deadline import DeadlinePassed, within
from loader.storage.hdfs_connection import client_of
from loader.storage.hdfs_errors import error_for, failure_of
from loader.storage.hdfs_files import HdfsOutputFile, HdfsReader
from loader.storage.paths import check_new_path, check_path, joined, parent_of
from loader.storage.protocol import FileStatus, OutputFile

if TYPE_CHECKING:
    from hdfs_native import Client
    from hdfs_native import FileStatus as HdfsStatus

T = TypeVar("T")

CALL_TIMEOUT_S = 60.0
DATA_TIMEOUT_S = 120.0

_READ_BUFFER_BYTES = 256 << 10  # a read opens a stream at a DataNode; a footer is one read
_LISTED_AT_ONCE = 1000  # dfs.ls.limit: one answer of the NameNode
_FOLDER_MODE = 0o755
_KNOCK_TIMEOUT_S = 1.0


class HdfsStorage:
    """One folder of one HDFS as a destination. A value: it pickles, and a forked child connects anew.

    call_timeout_s    how long the NameNode may take for one answer. A failover or a long collection of
                      garbage should fit in, or a run fails that could have waited.
    data_timeout_s    how long one piece of a file (1 MiB written, 4 MiB read), or its end, may take. The
                      replacement of a dead DataNode should fit in.
    block_size_bytes  for new files; None leaves it to the cluster, as it does the replication
    """

    def __init__(
        self,
        url: str,
        *,
        call_timeout_s: float = CALL_TIMEOUT_S,
        data_timeout_s: float = DATA_TIMEOUT_S,
        block_size_bytes: int | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        scheme, _, rest = self._url.partition("://")
        self._authority, slash, path = rest.partition("/")
        if scheme != "hdfs" or not self._authority or not path:
            raise ValueError(f"{url} is not a folder of an HDFS: hdfs://namenode:8020/folder")
        self._root = slash + path
        self._call_timeout_s, self._data_timeout_s = call_timeout_s, data_timeout_s
        self._block_size_bytes = block_size_bytes

    def __repr__(self) -> str:
        return f"HdfsStorage({self._url!r})"

    @property
    def url(self) -> str:
        """The root, with its scheme and without a trailing slash."""
        return self._url

    def create(self, path: str) -> OutputFile:
        """Open a new file for writing; makes missing parent folders."""
        check_new_path(path)
        options = WriteOptions(block_size=self._block_size_bytes, overwrite=False, create_parent=True)
        try:
            writer = self._once(lambda client: client.inner.create(self._full(path), options))
        except Exception as error:
            raise self._error(error, "create", path) from error
        return HdfsOutputFile(self, path, writer)

    def open(self, path: str) -> BinaryIO:
        """Open a file for seeking and reading."""
        check_path(path)
        raw = self._read("open", path, lambda client: client.inner.read(self._full(path)))
        return io.BufferedReader(HdfsReader(self, path, raw), _READ_BUFFER_BYTES)

    def read(self, path: str) -> bytes:
        """The whole of a file."""
        with self.open(path) as file:
            return file.read()

    def status(self, path: str) -> FileStatus:
        """What is at `path`."""
        check_path(path)
        found = self._read("look at", path, lambda client: client.get_file_info(self._full(path)))
        return _file_status(path, found)

    def list(self, folder: str) -> Sequence[FileStatus]:
        """The entries directly in a folder, sorted by path."""
        entries = [_file_status(joined(folder, name), found) for name, found in self._listed(folder)]
        return sorted(entries, key=lambda entry: entry.path)

    def names(self, folder: str) -> Sequence[str]:
        """The names of the entries directly in a folder, sorted."""
        return sorted(name for name, _ in self._listed(folder))

    def _listed(self, folder: str) -> Iterator[tuple[str, "HdfsStatus"]]:
        check_path(folder)
        full = self._full(folder)
        iterator = self._read("list", folder, lambda client: client.list_status(full))
        while page := self._read("list", folder, lambda _: list(islice(iterator, _LISTED_AT_ONCE))):
            for found in page:
                if found.path == full and not found.isdir:  # HDFS lists a file as the only one in itself
                    raise PathNotFound(f"{self._name(folder)}: is a file, not a folder")
                yield found.path.rpartition("/")[2], found

    def make_folder(self, path: str) -> None:
        """Make a folder and its missing parents; one that exists is fine."""
        if path:
            check_new_path(path)
        full = self._full(path)
        try:
            self._surely(lambda client: client.mkdirs(full, _FOLDER_MODE, create_parent=True))
        except Exception as error:
            raise self._error(error, "make a folder of", path) from error

    def move(self, source: str, target: str) -> None:
        """Rename a file in one atomic step, never over another; makes the target's missing parents.

        The NameNode renames in one step, and refuses a target that exists, also when it is a folder.
        What it does is certain; what reaches us is not. An error or a silence after the request can
        stand for a rename that was done, so both names are looked at, the source first:

        source  target               why                                                  then
        gone    the source's file    only a rename brings it there, with its length       done
                                     and its time; who sent it makes no difference
        there   a file or folder     not by us: ours would have taken the source away,    PathExists
                                     and if it is still on its way it will be refused
        there   nothing or hidden,   the NameNode said why                                its error
                refused
        gone    nothing, refused     the source was taken away by another                 PathNotFound
        there   nothing, no answer   the request may still be carried out, a minute       MoveOutcomeUnknown
                                     from now, when a paused NameNode wakes
        anything else, or a look that failed                                              MoveOutcomeUnknown

        A NameNode that is down is found out before the request: that is a StorageUnavailable, and
        nothing was moved.
        """
        check_path(source)
        check_new_path(target)
        before = self.status(source)
        if before.is_folder:
            raise PathNotFound(f"{self._name(source)}: is a folder, not a file")
        try:
            self.make_folder(parent_of(target))
        except PathExists as error:
            raise ConfigError([f"{error}. A folder must be there to move {source} to {target}"]) from error
        old, new = self._full(source), self._full(target)
        try:
            self._once(lambda client: client.rename(old, new, overwrite=False))
        except Exception as error:
            self._look_after_move(before, target, error)

    def delete(self, path: str) -> bool:
        """Delete a file, or a folder with all in it; False when there was nothing."""
        check_path(path)
        if not path:
            raise ValueError("the root of a destination cannot be deleted")
        try:
            return self._read("delete", path, lambda client: client.delete(self._full(path), recursive=True))
        except PathNotFound:  # below a file there can be nothing
            return False

    def _look_after_move(self, before: FileStatus, target: str, error: Exception) -> None:
        """Return when the move was done; raise what is known of it when not."""
        source = before.path
        failure = failure_of(error)
        unknown = MoveOutcomeUnknown(
            f"{self._name(source)}: whether it was renamed to {target} is not known: {failure.text}. Nothing"
            " was overwritten. It may still be renamed later: delete neither name before looking again."
        )
        refused = self._error(error, f"move {source} to", target) if failure.is_answer else None
        try:
            left = self._status_or_none(source)
        except LoaderError as unseen:
            raise unknown from unseen
        try:
            found = self._status_or_none(target)
        except LoaderError as unseen:
            raise (refused if refused and left else unknown) from unseen
        if left is None and found is not None and _is_same_file(before, found):
            return
        if left is not None and found is not None:
            raise PathExists(f"{self._name(target)}: exists already, and was left as it is") from error
        if refused is None or found is not None:
            raise unknown from error
        if left is None:
            raise PathNotFound(f"{self._name(source)}: was moved or deleted by another") from error
        if failure.not_found:
            raise StorageUnavailable(
                f"{self._name(target)}: its folder was removed while {source} was moved into it. Nothing was"
                " moved. Run again when nothing else deletes there."
            ) from error
        raise refused from error

    def _status_or_none(self, path: str) -> FileStatus | None:
        try:
            return self.status(path)
        except PathNotFound:
            return None

    def _read(self, verb: str, path: str, call: Callable[["Client"], T]) -> T:
        """Ask the NameNode, where a path that cannot exist is a path that does not."""
        try:
            return self._surely(call)
        except Exception as error:
            if failure_of(error).is_below_a_file:
                raise PathNotFound(f"{self._name(path)}: a part of its path is a file") from error
            raise self._error(error, verb, path) from error

    def _surely(self, call: Callable[["Client"], T]) -> T:
        """A call that may be repeated: when a connection breaks, the next call on it fails as well."""
        try:
            return self._once(call)
        except OSError as error:
            if failure_of(error).is_answer:
                raise
            return self._once(call)

    def _once(self, call: Callable[["Client"], T]) -> T:
        return within(self._call_timeout_s, lambda: call(client_of(self._authority)))

    def transfer(self, verb: str, path: str, call: Callable[[], T]) -> T:
        """Send or fetch a piece of an open file."""
        try:
            return within(self._data_timeout_s, call)
        except Exception as error:
            failure = failure_of(error)
            if failure.not_found or failure.exists:
                raise StorageUnavailable(
                    f"{self._name(path)}: cannot {verb} it any more: {failure.text}. Another deleted, moved"
                    " or replaced it meanwhile. Run again."
                ) from error
            raise self._error(error, verb, path) from error

    def _error(self, error: Exception, verb: str, path: str) -> LoaderError:
        if isinstance(error, DeadlinePassed):
            error = DeadlinePassed(f"{error}{self._why_silent()}")
        return error_for(error, self._name(path), verb, f"hdfs://{self._authority}")

    def _why_silent(self) -> str:
        """hdfs-native goes on trying to connect and does not say why: find out for the message."""
        host, _, port = self._authority.rpartition(":")
        if not host or not port.isdecimal():
            return ""
        try:
            socket.create_connection((host, int(port)), timeout=_KNOCK_TIMEOUT_S).close()
        except OSError as error:
            return f", and connecting to {self._authority} fails: {error.strerror or error}"
        return f", though {self._authority} takes connections"

    def _full(self, path: str) -> str:
        return joined(self._root, path) if path else self._root

    def _name(self, path: str) -> str:
        return joined(self._url, path) if path else self._url


def _file_status(path: str, found: "HdfsStatus") -> FileStatus:
    return FileStatus(path, 0 if found.isdir else found.length, found.modification_time, found.isdir)


def _is_same_file(before: FileStatus, after: FileStatus) -> bool:
    """HDFS keeps length and time in a rename; hdfs-native does not tell the inode's number."""
    return (before.size_bytes, before.modified_ms, before.is_folder) == (
        after.size_bytes,
        after.modified_ms,
        after.is_folder,
    )
