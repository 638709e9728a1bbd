"""What the kernel of messages keeps beside the room: where it stands, and how much it may still take."""

from typing import Annotated, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from loader.formats.nodes import Nodes
from loader.formats.protobuf.tables import Tables
from loader.formats.protobuf.wire import MAX_GROUP_DEPTH
from loader.records.kernel import part
from loader.values.column_types import MAX_DEPTH

ENTRY_BYTES = 17
"""Of room, for one entry."""

SPARE_BYTES = 256 * 2**20
BYTES_FOR_ONE = 32
"""Lists and maps of one column of bytes may become SPARE_BYTES, and BYTES_FOR_ONE for each byte: an empty
message of a list takes two bytes on the wire, and an entry of every column within."""

TEXT_BYTES_FOR_ONE = 3
"""At most, of a number of an enum without a name: 127 is one byte on the wire."""

MORE_SLOTS = -(1 << 40)
"""Instead of a node that is full: a map has more keys than there are slots for."""

LETTERS_USED, BYTES_LEFT, REPEATED_KEYS, TROUBLE_NODE, TROUBLE_PLACE = range(5)

_MAX_FRAMES = 2 * MAX_DEPTH + 2  # an entry of a map is a message around the one it holds


class Work(NamedTuple):
    """The kernel's own memory; r values.

    roots     int32[r]      the message that a value is, as a row of the tables; below 0: it is not read
    bodies    int32[r]      where the message starts in the payload
    counters  int64[5]      LETTERS_USED of scratch, BYTES_LEFT for entries, how many REPEATED_KEYS
                            maps have; of a bad value TROUBLE_NODE and TROUBLE_PLACE
    frames    int64[f, 3]   of each message around the one that is read: message, end, entry
    dropped   int64[n]      elements of lists and maps that are taken back, by node
    groups    int64[g]      groups that are open while they are skipped
    slots     int64[s]      of a map's keys; s is a power of two, and at least twice as many as the keys
    """

    roots: NDArray[np.int32]
    bodies: NDArray[np.int32]
    counters: NDArray[np.int64]
    frames: NDArray[np.int64]
    dropped: NDArray[np.int64]
    groups: NDArray[np.int64]
    slots: NDArray[np.int64]


WorkOfKernel = Annotated[
    Work,
    types.NamedTuple(
        [
            types.int32[::1],
            types.int32[::1],
            types.int64[::1],
            types.int64[:, ::1],
            types.int64[::1],
            types.int64[::1],
            types.int64[::1],
        ],
        Work,
    ),
]


def new_work(
    roots: NDArray[np.int32], bodies: NDArray[np.int32], nodes: Nodes, tables: Tables, payload_bytes: int
) -> Work:
    """For the values of one column of bytes."""
    counters = np.array([len(tables.letters), SPARE_BYTES + BYTES_FOR_ONE * payload_bytes, 0, 0, 0], np.int64)
    return Work(
        roots,
        bodies,
        counters,
        np.empty((_MAX_FRAMES, 3), np.int64),
        np.zeros(len(nodes.kinds), np.int64),
        np.empty(MAX_GROUP_DEPTH, np.int64),
        np.empty(64, np.int64),
    )


def with_twice_the_slots(work: Work) -> Work:
    """The same with more memory for the keys of a map."""
    return work._replace(slots=np.empty(2 * len(work.slots), np.int64))


@part
def fail(work: WorkOfKernel, problem: int, node: int, place: int) -> int:
    """Note where a value is bad; returns the problem."""
    work.counters[TROUBLE_NODE] = node
    work.counters[TROUBLE_PLACE] = place
    return problem
