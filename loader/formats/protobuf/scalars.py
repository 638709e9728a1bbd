"""One scalar of a message into one entry of the room."""

import numpy as np

from loader.formats.protobuf import kinds, problems
from loader.formats.protobuf.search import find_row
from loader.formats.protobuf.tables import TablesOfKernel
from loader.formats.protobuf.wire import read_size, read_varint
from loader.formats.protobuf.work import BYTES_LEFT, LETTERS_USED, WorkOfKernel
from loader.formats.room import RoomOfKernel
from loader.formats.utf8 import first_no_utf8
from loader.records.kernel import Bytes, ReadOnlyBytes, lean_kernel, part


@part
def read_scalar(
    payload: ReadOnlyBytes,
    at: int,
    end: int,
    kind: int,
    enum: int,
    room: RoomOfKernel,
    place: int,
    tables: TablesOfKernel,
    scratch: Bytes,
    work: WorkOfKernel,
) -> int:
    """Read a value, and put it into the room.

    at     int64  in  where it starts, behind its tag
    end    int64  in  where it must have ended
    kind   int64  in  of `kinds`, no message
    enum   int64  in  the enum whose names stand for numbers
    place  int64  in  the entry

    Returns where the next byte stands, or what is wrong, negative.
    """
    if kind <= kinds.ENUM or kind >= kinds.SECONDS:
        value, at = read_varint(payload, at, end)
        if at >= 0:
            _put_varint(value, kind, enum, room, place, tables, scratch, work)
        return at
    if kind == kinds.STRING or kind == kinds.BYTES:
        size, at = read_size(payload, at, end)
        if at < 0:
            return at
        room.firsts[np.uint64(place)] = at
        room.seconds[np.uint64(place)] = size
        if kind == kinds.STRING and first_no_utf8(payload, at, size) >= 0:
            return -problems.NOT_UTF_8
        return at + size
    if kind == kinds.FIXED32 or kind == kinds.SFIXED32 or kind == kinds.FLOAT:
        if end - at < 4:
            return -problems.TRUNCATED
        word = 0
        for i in range(4):
            word |= (payload[np.uint64(at + i)]) << (8 * i)
        if kind == kinds.FLOAT:
            room.reals[np.uint64(place)] = np.uint32(word).view(np.float32)
        elif kind == kinds.SFIXED32:
            room.firsts[np.uint64(place)] = (word ^ 0x80000000) - 0x80000000
        else:
            room.firsts[np.uint64(place)] = word
        return at + 4
    if end - at < 8:
        return -problems.TRUNCATED
    word = 0
    for i in range(8):
        word |= (payload[np.uint64(at + i)]) << (8 * i)
    # Of a double too: `firsts` and `reals` are the same memory. The upper bits of a decimal are 0 already.
    room.firsts[np.uint64(place)] = word
    return at + 8


@part
def _put_varint(
    value: int,
    kind: int,
    enum: int,
    room: RoomOfKernel,
    place: int,
    tables: TablesOfKernel,
    scratch: Bytes,
    work: WorkOfKernel,
) -> None:
    at = np.uint64(place)
    if kind == kinds.INT64 or kind == kinds.UINT64 or kind == kinds.SECONDS:
        room.firsts[at] = value
    elif kind == kinds.INT32:
        room.firsts[at] = ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000
    elif kind == kinds.BOOL:
        room.firsts[at] = 1 if value != 0 else 0
    elif kind == kinds.UINT32:
        room.firsts[at] = value & 0xFFFFFFFF
    elif kind == kinds.SINT32:
        room.firsts[at] = ((value & 0xFFFFFFFF) >> 1) ^ -(value & 1)
    elif kind == kinds.SINT64:
        # The bits are unsigned: shifting them must not bring in the sign.
        room.firsts[at] = ((value >> 1) & 0x7FFFFFFFFFFFFFFF) ^ -(value & 1)
    elif kind == kinds.NANOS:
        room.seconds[at] = ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000
    else:
        number = ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000
        name = _name_of(number, enum, tables)
        if name >= 0:
            room.firsts[at] = ~tables.names[name, 1]
            room.seconds[at] = tables.names[name, 2]
        else:
            room.firsts[at] = ~work.counters[LETTERS_USED]
            room.seconds[at] = _spell(number, scratch, work)
        work.counters[BYTES_LEFT] -= room.seconds[at]


@lean_kernel
def _name_of(number: int, enum: int, tables: TablesOfKernel) -> int:
    """The row of `names`, or -1."""
    first: int = tables.enums[enum, 0]
    count = tables.enums[enum, 1]
    if 0 <= number < count and tables.names[first + number, 0] == number:
        return first + number
    row: int = find_row(tables.names, 0, first, first + count, number)
    return row


@lean_kernel
def _spell(number: int, scratch: Bytes, work: WorkOfKernel) -> int:
    """Write a number as text; returns how many bytes it takes."""
    at: int = work.counters[LETTERS_USED]
    start = at
    if number < 0:
        scratch[at] = 45  # -
        at += 1
        number = -number
    power = 1
    while power * 10 <= number:
        power *= 10
    while power > 0:
        scratch[at] = 48 + number // power % 10
        at += 1
        power //= 10
    work.counters[LETTERS_USED] = at
    return at - start
