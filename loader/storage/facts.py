"""Folders by their whole URL: what the file system says of one, and which of a destination's are missing.

For those who look at a destination from outside, also above it; what is loaded goes by `Storage`.
"""

import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loader.storage import local_errors
from loader.storage.deadline import within

HDFS_LIMIT_S = 45.0
"""More than hdfs-native takes to give up on a NameNode that is down."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a folder or a file; None where this file system does not say.

    permission  as `ls -l` writes it, rwxr-x---
    copy_count  of a file in HDFS: its replication
    """

    owner: str
    group: str
    permission: str
    free_bytes: int | None = None
    copy_count: int | None = None


def read_facts(url: str) -> Facts | None:
    """The facts of a folder or a file; None where there is nothing. Raises the errors of a Storage."""
    if url.startswith("file://"):
        try:
            return _local_facts(Path(url.removeprefix("file://")))
        except OSError as error:
            raise local_errors.error_for(error, url, "look at") from error
    from loader.storage import hdfs_errors
    from loader.storage.hdfs_connection import client_of

    authority, path = _of_hdfs(url)
    try:
        found = within(HDFS_LIMIT_S, lambda: client_of(authority).get_file_info(path))
    except FileNotFoundError:
        return None
    except Exception as error:
        raise hdfs_errors.error_for(error, url, "look at", f"hdfs://{authority}") from error
    return Facts(found.owner, found.group, _letters(found.permission), copy_count=found.replication)


def _local_facts(folder: Path) -> Facts | None:
    try:
        found = folder.stat()
    except FileNotFoundError:
        return None
    return Facts(
        _name(folder.owner, found.st_uid),
        _name(folder.group, found.st_gid),
        _letters(found.st_mode),
        shutil.disk_usage(folder).free,
    )


def missing_folders(url: str) -> list[str]:
    """A folder and those above it that are not there yet, the deepest first. Raises as `read_facts`."""
    scheme, _, rest = url.partition("://")
    root, *parts = rest.split("/")
    missing = []
    while parts:
        folder = f"{scheme}://{'/'.join([root, *parts])}"
        if read_facts(folder) is not None:
            break
        missing.append(folder)
        parts.pop()
    return missing


def remove_if_empty(url: str) -> bool:
    """Remove a folder in which nothing is; False where it is not empty, or not there."""
    if url.startswith("file://"):
        try:
            Path(url.removeprefix("file://")).rmdir()
        except OSError:
            return False
        return True
    from loader.storage.hdfs_connection import client_of

    authority, path = _of_hdfs(url)
    try:
        return within(HDFS_LIMIT_S, lambda: client_of(authority).delete(path, recursive=False))
    except Exception:  # not empty is an error of its own kind in each version of hdfs-native
        return False


def _of_hdfs(url: str) -> tuple[str, str]:
    authority, _, path = url.removeprefix("hdfs://").partition("/")
    return authority, f"/{path}"


def _letters(mode: int) -> str:
    return stat.filemode(stat.S_IFDIR | stat.S_IMODE(mode))[1:]


def _name(ask: Callable[[], str], number: int) -> str:
    try:
        return ask()
    except KeyError:  # a user without a name
        return str(number)
