"""Names and folders of a POSIX file system: durable, and never one over another."""

import ctypes
import errno
import os
import shutil
from pathlib import Path

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1


def stat_name(file: Path) -> os.stat_result:
    """What a name stands for; a link that leads nowhere is still a name that is taken."""
    try:
        return file.stat()
    except FileNotFoundError:
        return file.lstat()


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, each durable in its parent; one that exists is fine."""
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():
            raise
        return
    except FileNotFoundError:
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def remove_folder(folder: Path) -> None:
    """Remove a folder with all in it; what others remove at the same time is fine."""

    def pass_by(function: object, path: str, failure: tuple[type, BaseException, object]) -> None:
        del function, path
        if not isinstance(failure[1], FileNotFoundError):
            raise failure[1]

    shutil.rmtree(folder, onerror=pass_by)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: fsync of a file does not do that for its name."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder: they have sent the name to the server already.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def link_name(old: Path, new: Path) -> None:
    """Give a file a second name; fails where the name is taken."""
    os.link(old, new, follow_symlinks=False)


def rename_without_overwrite(old: Path, new: Path) -> None:
    """renameat2(2) with RENAME_NOREPLACE, which Python has no name for."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        renameat2 = libc.renameat2
    except AttributeError:
        raise OSError(errno.ENOSYS, "this C library has no renameat2") from None
    flags = ctypes.c_uint(_RENAME_NOREPLACE)
    if renameat2(_AT_FDCWD, os.fsencode(old), _AT_FDCWD, os.fsencode(new), flags):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def is_same_file(old: Path, new: Path) -> bool:
    """Whether two names are of one file."""
    try:
        return os.path.samestat(old.lstat(), new.lstat())
    except FileNotFoundError:
        return False
