"""Keys that a map has twice: the last one counts, as on every wire of Protocol Buffers.

The kernel only marks the others, by a key that is null, which no map has otherwise. They leave with their
values once columns are made.
"""

import numpy as np
import pyarrow as pa

from loader.formats.nodes import STRING, NodesOfKernel
from loader.formats.room import RoomOfKernel
from loader.records.kernel import Int64s, ReadOnlyBytes, lean_kernel

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
                    room.present[at] = 0
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
            room.present[at] = 0
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


def without_repeated_keys(column: pa.Array) -> pa.Array:
    """The same column without the entries of maps that are marked."""
    if pa.types.is_struct(column.type):
        children = [without_repeated_keys(column.field(i)) for i in range(column.type.num_fields)]
        return pa.Array.from_buffers(
            column.type, len(column), column.buffers()[:1], column.null_count, children=children
        )
    if pa.types.is_map(column.type):
        keys, values = column.keys, without_repeated_keys(column.items)
        offsets = _numbers(column.offsets)
        if keys.null_count:
            kept = keys.is_valid()
            kept_before = np.zeros(len(keys) + 1, np.int32)
            np.cumsum(np.asarray(kept.to_numpy(zero_copy_only=False)), out=kept_before[1:])
            offsets = kept_before[offsets]
            keys, values = keys.filter(kept), values.filter(kept)
        entry_type = pa.struct([column.type.key_field, column.type.item_field])
        entries = pa.Array.from_buffers(entry_type, len(keys), [None], 0, children=[keys, values])
        buffers = [column.buffers()[0], pa.py_buffer(offsets)]
        return pa.Array.from_buffers(column.type, len(column), buffers, column.null_count, children=[entries])
    if pa.types.is_list(column.type):
        elements = without_repeated_keys(column.values)
        return pa.Array.from_buffers(
            column.type, len(column), column.buffers()[:2], column.null_count, children=[elements]
        )
    return column


def _numbers(array: pa.Int32Array) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
    return np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array)]
