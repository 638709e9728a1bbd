"""Room in which kernels put the parts of values, node by node; Arrow's columns are made of it.

Every node has a stretch of entries. An entry of a struct, list or map stands before those of its parts:
one of a list or map holds how many elements it has, and their entries follow in the stretches of the
nodes within. An entry that is null has a null entry in every field of a struct, and no elements.

A kernel that finds a stretch full says so, and goes on with the same value when there is more room: what it
had put of that value is taken back. So is what it had put of a value that turns out to be bad.
"""

from typing import Annotated, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from loader.formats.nodes import LIST, MAP, Nodes, NodesOfKernel
from loader.records.kernel import lean_kernel


class Room(NamedTuple):
    """Stretches of entries, one a node, and how full they are; n nodes, e entries in all.

    firsts   int64[e]      a number; where text starts in the payload, or ~place in scratch; how many elements
    reals    float64[e]    the same memory: a float or double
    seconds  int64[e]      bytes of text; the upper 64 bits of a decimal, whose lower ones are in `firsts`
    present  uint8[e]      1 where the entry is not null
    starts   int64[n + 1]  where each node's stretch starts
    counts   int64[n]      how many entries each node has
    marks    int64[n]      how many it had before the value that is being read
    """

    firsts: NDArray[np.int64]
    reals: NDArray[np.float64]
    seconds: NDArray[np.int64]
    present: NDArray[np.uint8]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    marks: NDArray[np.int64]


_INT64S = types.int64[::1]
RoomOfKernel = Annotated[
    Room,
    types.NamedTuple(
        [_INT64S, types.float64[::1], _INT64S, types.uint8[::1], _INT64S, _INT64S, _INT64S], Room
    ),
]


def new_room(nodes: Nodes, row_count: int) -> Room:
    """Room for `row_count` values; what lies in lists and maps has as much, and grows."""
    node_count = len(nodes.kinds)
    starts = np.arange(node_count + 1, dtype=np.int64) * max(row_count, 1)
    return _empty(starts, np.zeros(node_count, np.int64))


def _empty(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> Room:
    size = int(starts[-1])
    firsts = np.empty(size, np.int64)
    seconds, present = np.empty(size, np.int64), np.empty(size, np.uint8)
    return Room(firsts, firsts.view(np.float64), seconds, present, starts, counts, counts.copy())


def with_twice(room: Room, nodes: Nodes, node: int) -> Room:
    """The same entries, with twice the room for one node, and for all that have an entry where it has one.

    Those would be full next, one after the other, and each time a value is read from its start.
    """
    sizes = np.diff(room.starts)
    sizes[_alike(nodes, node)] = 2 * sizes[node]
    larger = _empty(np.concatenate([[0], np.cumsum(sizes)]), room.counts)
    for number, count in enumerate(room.counts.tolist()):
        old, new = int(room.starts[number]), int(larger.starts[number])
        for source, target in ((room.firsts, larger.firsts), (room.seconds, larger.seconds)):
            target[new : new + count] = source[old : old + count]
        larger.present[new : new + count] = room.present[old : old + count]
    return larger


def _alike(nodes: Nodes, node: int) -> list[int]:
    """The nodes with as many entries: those that lie in the same list or map, and in none within it."""
    owner = max((each for each in range(node) if _holds(nodes, each, node)), default=-1)
    if owner < 0:
        return [node]
    alike = []
    each = owner + 1
    while each < nodes.ends[owner]:
        alike.append(each)
        each = int(nodes.ends[each]) if nodes.kinds[each] in (LIST, MAP) else each + 1
    return alike


def _holds(nodes: Nodes, owner: int, node: int) -> bool:
    return bool(nodes.kinds[owner] in (LIST, MAP) and node < nodes.ends[owner])


@lean_kernel
def next_entry(room: RoomOfKernel, node: int) -> int:
    """Take a new entry of a node, not null; returns its place, or -1 where the stretch is full."""
    at: int = room.starts[node] + room.counts[node]
    if at >= room.starts[node + 1]:
        return -1
    room.counts[node] += 1
    room.present[at] = 1
    return at


@lean_kernel
def put_null(room: RoomOfKernel, nodes: NodesOfKernel, node: int) -> int:
    """Put a null entry of a node, and of every field within it that needs one to stand in line.

    Returns its place, or the node that is full as ~node, which is below 0.
    """
    place: int = room.starts[node] + room.counts[node]
    each = node
    while each < nodes.ends[node]:
        at = room.starts[each] + room.counts[each]
        if at >= room.starts[each + 1]:
            return ~each
        room.counts[each] += 1
        room.present[at] = 0
        room.firsts[at] = 0
        room.seconds[at] = 0
        # A null list has no elements: what lies within it gets no entry.
        each = nodes.ends[each] if nodes.kinds[each] == LIST or nodes.kinds[each] == MAP else each + 1
    return place


@lean_kernel
def begin_value(room: RoomOfKernel) -> None:
    """Remember where every node stands, before a value is read."""
    for node in range(room.counts.shape[0]):
        room.marks[node] = room.counts[node]


@lean_kernel
def take_back(room: RoomOfKernel) -> None:
    """Forget all entries since `begin_value`."""
    for node in range(room.counts.shape[0]):
        room.counts[node] = room.marks[node]
