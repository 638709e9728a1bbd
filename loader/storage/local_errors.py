"""What the kernel answers, as what a caller of a Storage can decide on."""

import errno
import os

from loader.errors import (
    AccessDenied,
    ConfigError,
    LoaderError,
    PathExists,
    StorageFull,
    StorageUnavailable,
)

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_UNFIT = {errno.ENOTDIR, errno.ENAMETOOLONG, errno.EXDEV, errno.ELOOP}


def error_for(error: OSError, name: str, verb: str) -> LoaderError:
    """What to raise when the kernel refuses to `verb` the file or folder of this name."""
    what = f"{name}: cannot {verb} it: {reason_of(error)}"
    if error.errno == errno.EEXIST:
        return PathExists(f"{name}: exists already, and was left as it is")
    if error.errno in _FULL:
        return StorageFull(
            f"{what}. Files that are complete are untouched. Free space, or raise the quota or the limit"
            " on file sizes, then run again."
        )
    if error.errno in _DENIED:
        return AccessDenied(
            f"{what}. Nothing was changed. Let user id {os.geteuid()} do this there, or choose another"
            " destination."
        )
    if error.errno in _UNFIT:
        return ConfigError(
            [
                f"{what}. Nothing was changed. Clear the way (a file where a folder must be, a path too"
                " long, a mount or a link inside the destination), or choose another destination."
            ]
        )
    return StorageUnavailable(
        f"{what}. Files that are complete are untouched. Check the disk or the mount, then run again."
    )


def reason_of(error: OSError) -> str:
    """The kernel's words and its code: `No space left on device (ENOSPC)`."""
    return f"{error.strerror} ({errno.errorcode.get(error.errno or 0, error.errno)})"
