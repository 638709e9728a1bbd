"""Keys that a map has twice: the last one counts, as on every wire of Protocol Buffers.

The kernel only marks the others. They leave with their values once columns are made.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from loader.formats.nodes import STRING, Nodes, NodesOfKernel
from loader.formats.room import Room, RoomOfKernel
from loader.records.kernel import Int64s, ReadOnlyBytes, lean_kernel

REPLACED = 2
"""What `present` of a room says of a key that a later one replaces; neither null nor to be kept."""

_FEW = 8


@lean_kernel
def mark_repeated_keys(
    payload: ReadOnlyBytes,
    room: RoomOfKernel,
    nodes: NodesOfKernel,
    key: int,
    first: int,
    count: int,
    seed: int,
    slots: Int64s,
) -> int:
    """Mark each entry of one map that a later one of the same key replaces.

    key    int64  in  the node of the keys
    first  int64  in  the place of the first key
    count  int64  in  how many there are
    seed   int64  in  nobody's guess: keys made to collide would take quadratic time
    slots  int64[s]  out  working memory; at least twice the count

    Returns how many were marked.
    """
    is_text = nodes.kinds[key] == STRING
    marked = 0
    if count <= _FEW:
        for at in range(first, first + count):
            for later in range(at + 1, first + count):
                if _is_same(payload, room, is_text, at, later):
                    room.present[at] = REPLACED
                    marked += 1
                    break
        return marked
    size = 32
    while size < 2 * count:
        size *= 2
    for slot in range(size):
        slots[slot] = -1
    for at in range(first + count - 1, first - 1, -1):
        slot = _mixed(payload, room, is_text, at, seed) & (size - 1)
        while slots[slot] >= 0 and not _is_same(payload, room, is_text, at, slots[slot]):
            slot = (slot + 1) & (size - 1)
        if slots[slot] >= 0:
            room.present[at] = REPLACED
            marked += 1
        else:
            slots[slot] = at
    return marked


@lean_kernel
def _is_same(payload: ReadOnlyBytes, room: RoomOfKernel, is_text: bool, one: int, other: int) -> bool:
    if not is_text:
        return bool(room.firsts[one] == room.firsts[other])
    if room.seconds[one] != room.seconds[other]:
        return False
    for i in range(room.seconds[one]):
        if payload[room.firsts[one] + i] != payload[room.firsts[other] + i]:
            return False
    return True


@lean_kernel
def _mixed(payload: ReadOnlyBytes, room: RoomOfKernel, is_text: bool, at: int, seed: int) -> int:
    mixed = np.uint64(seed)
    if is_text:
        for i in range(room.seconds[at]):
            mixed = (mixed ^ np.uint64(payload[room.firsts[at] + i])) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
    else:
        mixed = (mixed ^ np.uint64(room.firsts[at])) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(32)
        mixed *= np.uint64(0xD6E8FEB86659FD93)
        mixed ^= mixed >> np.uint64(29)
    return np.int64(mixed >> np.uint64(1))  # type: ignore[return-value] # an int for Numba


def without_repeated_keys(column: pa.Array, nodes: Nodes, room: Room, node: int = 0) -> pa.Array:
    """The same column without the entries of maps that are marked.

    room  that the column was made of
    node  that it is of
    """
    validity = column.buffers()[0]
    if pa.types.is_struct(column.type):
        children, child = [], node + 1
        for index in range(column.type.num_fields):
            children.append(without_repeated_keys(column.field(index), nodes, room, child))
            child = int(nodes.ends[child])
        return _like(column, [validity], children)
    if pa.types.is_list(column.type):
        elements = without_repeated_keys(column.values, nodes, room, node + 1)
        return _like(column, column.buffers()[:2], [elements])
    if not pa.types.is_map(column.type):
        return column
    keys, offsets = column.keys, np.frombuffer(column.offsets.buffers()[1], np.int32)
    values = without_repeated_keys(column.items, nodes, room, int(nodes.ends[node + 1]))
    start = int(room.starts[node + 1])
    is_kept = room.present[start : start + int(room.counts[node + 1])] != REPLACED
    kept_before = np.zeros(len(is_kept) + 1, np.int32)
    np.cumsum(is_kept, out=kept_before[1:])
    kept = pa.array(np.flatnonzero(is_kept))
    entry_type = pa.struct([column.type.key_field, column.type.item_field])
    entries = pa.Array.from_buffers(
        entry_type, len(kept), [None], 0, children=[keys.take(kept), values.take(kept)]
    )
    return _like(column, [validity, pa.py_buffer(kept_before[offsets])], [entries])


def _like(column: pa.Array, buffers: Sequence[pa.Buffer | None], children: Sequence[pa.Array]) -> pa.Array:
    return pa.Array.from_buffers(column.type, len(column), buffers, column.null_count, children=children)
