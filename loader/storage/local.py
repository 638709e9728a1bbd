"""Local storage: a folder of a POSIX file system, also one mounted on every host.

Durable means durable: a file is fsynced before its name is, and a name before anything relies on it.

Calls wait as long as the kernel does. A disk answers; a hard NFS mount waits for its server for ever.
"""

import errno
import io
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from loader.errors import (
    ConfigError,
    LoaderError,
    MoveOutcomeUnknown,
    PathNotFound,
    StorageUnavailable,
)
from loader.storage.local_errors import error_for, reason_of
from loader.storage.output import AbandonableFile
from loader.storage.paths import check_new_path, check_path, joined
from loader.storage.posix import (
    is_same_file,
    link_name,
    make_folder,
    remove_folder,
    rename_without_overwrite,
    stat_name,
    sync_folder,
)
from loader.storage.protocol import FileStatus, OutputFile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
_NO_SUCH_RENAME = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
_TRIES = 5  # at a folder that others make and remove at the same time


class LocalStorage:
    """One folder as a destination. A value: it holds nothing open, so it pickles and survives a fork."""

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root)
        if not self._root.is_absolute():
            raise ValueError(f"{root}: the root of local storage is an absolute path")

    def __repr__(self) -> str:
        return f"LocalStorage({str(self._root)!r})"

    @property
    def url(self) -> str:
        """The root, with its scheme and without a trailing slash."""
        return f"file://{self._root}"

    def create(self, path: str) -> OutputFile:
        """Open a new file for writing; makes missing parent folders."""
        check_new_path(path)
        file = self._root / path
        with self._writing("create", path):
            for _ in range(_TRIES):
                try:
                    # O_EXCL: of two creators exactly one succeeds.
                    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
                except FileNotFoundError:  # no parent yet, or a sweep took it away again
                    make_folder(file.parent)
                else:
                    return _LocalFile(self, path, file, descriptor)
        raise self._disturbed(path)

    def open(self, path: str) -> BinaryIO:
        """Open a file for seeking and reading."""
        check_path(path)
        with self._reading("open", path):
            return io.BufferedReader(_LocalReader(self, path, self._root / path))

    def read(self, path: str) -> bytes:
        """The whole of a file."""
        with self.open(path) as file:
            return file.read()

    def status(self, path: str) -> FileStatus:
        """What is at `path`."""
        check_path(path)
        with self._reading("look at", path):
            return _file_status(path, stat_name(self._root / path))

    def list(self, folder: str) -> Sequence[FileStatus]:
        """The entries directly in a folder, sorted by path."""
        check_path(folder)
        entries = []
        with self._reading("list", folder), os.scandir(self._root / folder) as found:
            for entry in found:
                try:
                    entries.append(_file_status(joined(folder, entry.name), stat_name(Path(entry.path))))
                except FileNotFoundError:  # deleted since its name was read: a later listing has it not
                    continue
        return sorted(entries, key=lambda entry: entry.path)

    def names(self, folder: str) -> Sequence[str]:
        """The names of the entries directly in a folder, sorted."""
        check_path(folder)
        with self._reading("list", folder), os.scandir(self._root / folder) as found:
            return sorted(entry.name for entry in found)  # no stat(2) of each, which is most of `list`

    def make_folder(self, path: str) -> None:
        """Make a folder and its missing parents; one that exists is fine."""
        if path:
            check_new_path(path)
        with self._writing("make a folder of", path):
            make_folder(self._root / path)

    def move(self, source: str, target: str) -> None:
        """Rename a file in one atomic step, never over another; makes the target's missing parents.

        rename(2) replaces its target silently, so a move is link(2), which fails when the name is
        taken, and unlink(2). link is exclusive on NFS too, which has no rename that replaces nothing
        (RENAME_NOREPLACE); that rename serves where a file system has no hard links.

        1. link    The file has both names. Killed here, it keeps both: the next move of it finds one
                   inode under two names and goes on with step 2.
        2. fsync   of the target's folder. The old name may not go first: a power failure could then
                   leave the file in neither folder.
        3. unlink  The old name goes, and its folder is fsynced.
        """
        check_path(source)
        check_new_path(target)
        self._refuse_folder(source)
        with self._writing(f"move {source} to", target):
            self._give_new_name(source, target)
        old, new = self._root / source, self._root / target
        try:
            sync_folder(new.parent)
            old.unlink(missing_ok=True)  # missing: renamed in one step, or another finished this same move
            sync_folder(old.parent)
        except OSError as error:
            raise MoveOutcomeUnknown(
                f"{self._name(target)}: has its new name, but may lose it in a power failure or keep the old"
                f" one, {source}, too: {reason_of(error)}. Nothing was overwritten. Move it again to finish."
            ) from error

    def delete(self, path: str) -> bool:
        """Delete a file, or a folder with all in it; False when there was nothing."""
        check_path(path)
        if not path:
            raise ValueError("the root of a destination cannot be deleted")
        file = self._root / path
        for attempt in range(_TRIES):
            try:
                if stat.S_ISDIR(file.lstat().st_mode):
                    remove_folder(file)
                else:
                    file.unlink()
            except NotADirectoryError:  # a file stands where a parent would be: nothing is below it
                return False
            except FileNotFoundError:  # it, or something in it, was deleted by another at the same time
                if not os.path.lexists(file):
                    return attempt > 0
            except OSError as error:
                raise self._error(error, "delete", path) from error
            else:
                return True
        raise self._disturbed(path)

    def _give_new_name(self, source: str, target: str) -> None:
        old, new = self._root / source, self._root / target
        give_name = link_name
        for _ in range(_TRIES):
            try:
                give_name(old, new)
            except FileExistsError:
                if is_same_file(old, new):
                    return  # an earlier move was killed after its link: go on where it stopped
                self._refuse_folder(source)  # raises where another finished this same move just now
                raise
            except FileNotFoundError:
                self._refuse_folder(source)  # raises where it is the source that is missing
                make_folder(new.parent)
            except OSError as error:
                if give_name is link_name and error.errno in _NO_HARD_LINKS:
                    give_name = rename_without_overwrite
                elif give_name is rename_without_overwrite and error.errno in _NO_SUCH_RENAME:
                    raise ConfigError(
                        [
                            f"{self._name(target)}: this file system has neither hard links nor a rename that"
                            " replaces nothing, so two runs could overwrite each other's files. Nothing was"
                            " moved. Choose a destination on ext4, XFS, NFS or HDFS."
                        ]
                    ) from error
                else:
                    raise
            else:
                return
        raise self._disturbed(target)

    def _refuse_folder(self, source: str) -> None:
        with self._reading("move", source):
            if stat.S_ISDIR((self._root / source).lstat().st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))

    @contextmanager
    def _reading(self, verb: str, path: str) -> Iterator[None]:
        """Turn the kernel's answers into ours, where a path that cannot exist is a path that does not."""
        try:
            yield
        except IsADirectoryError as error:
            raise PathNotFound(f"{self._name(path)}: is a folder, not a file") from error
        except (FileNotFoundError, NotADirectoryError) as error:
            raise PathNotFound(f"{self._name(path)}: {reason_of(error)}") from error
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise PathNotFound(f"{self._name(path)}: {reason_of(error)}") from error
            raise self._error(error, verb, path) from error

    @contextmanager
    def _writing(self, verb: str, path: str) -> Iterator[None]:
        """Turn the kernel's answers into ours."""
        try:
            yield
        except OSError as error:
            raise self._error(error, verb, path) from error

    def _error(self, error: OSError, verb: str, path: str) -> LoaderError:
        return error_for(error, self._name(path), verb)

    def _disturbed(self, path: str) -> StorageUnavailable:
        return StorageUnavailable(
            f"{self._name(path)}: other processes make and remove its folder all the time. Nothing was"
            " changed. Run again when they are done."
        )

    def _name(self, path: str) -> str:
        return joined(self.url, path) if path else self.url


class _LocalFile(AbandonableFile):
    def __init__(self, storage: LocalStorage, path: str, file: Path, descriptor: int) -> None:
        super().__init__(path)
        self._storage, self._file, self._descriptor = storage, file, descriptor

    def _append(self, data: memoryview) -> None:
        with self._storage._writing("write", self.path):
            while data:
                data = data[
                    os.write(self._descriptor, data) :
                ]  # may take a part only, as when a disk gets full

    def _finish(self) -> None:
        with self._storage._writing("finish", self.path):
            os.fsync(self._descriptor)
            self._close()
            sync_folder(self._file.parent)

    def _abandon(self) -> None:
        with self._storage._writing("delete", self.path):
            self._close()
            self._file.unlink(missing_ok=True)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class _LocalReader(io.FileIO):
    """A file whose read errors are ours: a disk that fails in mid-file is no bug of the loader."""

    def __init__(self, storage: LocalStorage, path: str, file: Path) -> None:
        super().__init__(file, "rb")
        self._storage, self._path = storage, path

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        with self._storage._reading("read", self._path):
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with self._storage._reading("read", self._path):
            return super().readall()


def _file_status(path: str, found: os.stat_result) -> FileStatus:
    is_folder = stat.S_ISDIR(found.st_mode)
    return FileStatus(path, 0 if is_folder else found.st_size, found.st_mtime_ns // 1_000_000, is_folder)
