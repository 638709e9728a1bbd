"""Paths inside a destination: relative, `/` between the parts, the same on every file system.

A path that breaks these rules is a bug of the caller, so it is a ValueError and not an answer.
"""

import os

MAX_NAME_BYTES = 255
"""The longest part of a path that all take; HDFS calls it dfs.namenode.fs-limits.max-component-length."""


def check_path(path: str) -> None:
    """Refuse a path that could leave the destination, or that has two spellings; "" is the root."""
    if "\0" in path or (path and any(part in ("", ".", "..") for part in path.split("/"))):
        raise ValueError(f"{path!r} is not a path inside a destination: needs parts with one / between them")


def check_new_path(path: str) -> None:
    """Refuse a name that one of the file systems could not hold: what is written must be able to move."""
    check_path(path)
    if not path:
        raise ValueError("the root of a destination cannot be created, moved or deleted")
    for part in path.split("/"):
        if ":" in part:  # HDFS refuses it in every part of a path
            raise ValueError(f"{path!r}: HDFS allows no colon in a name")
        if len(os.fsencode(part)) > MAX_NAME_BYTES:
            raise ValueError(f"{path!r}: the part {part!r} has more than {MAX_NAME_BYTES} bytes")


def joined(folder: str, name: str) -> str:
    """The path of an entry of `folder`."""
    return f"{folder}/{name}" if folder else name


def parent_of(path: str) -> str:
    """The folder that `path` lies in; "" is the root."""
    return path.rpartition("/")[0]
