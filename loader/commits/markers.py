"""Where the ledger's numbers begin and end, kept apart from the commits themselves.

A ledger that lost its newest commit would else look like a shorter one, and the next run would load those
offsets again. A marker is an empty folder with the number as its name: to make one is one step, and to make
it twice is the same.
"""

import re

from loader.errors import PathNotFound
from loader.storage.protocol import Storage

MARKER_NAME = re.compile(r"\d{20}")


def read_marker(storage: Storage, folder: str) -> int:
    """The highest number that was marked in `folder`; 0 when there is none."""
    return max(_numbers(storage, folder), default=0)


def set_marker(storage: Storage, folder: str, version: int) -> None:
    """Mark `version`; lower marks in `folder` go."""
    storage.make_folder(_path(folder, version))
    for lower in _numbers(storage, folder):
        if lower < version:
            storage.delete(_path(folder, lower))


def _numbers(storage: Storage, folder: str) -> list[int]:
    try:
        names = storage.names(folder)
    except PathNotFound:
        return []
    return [int(name) for name in names if MARKER_NAME.fullmatch(name)]


def _path(folder: str, version: int) -> str:
    return f"{folder}/{version:020d}"
