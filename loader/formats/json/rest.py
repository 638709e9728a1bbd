"""Members of an object that the columns do not take, put together to an object again."""

import numpy as np

from loader.formats.json.blanks import CLOSE_OBJECT, COMMA, OPEN_OBJECT
from loader.formats.room import RoomOfKernel
from loader.records.copying import copy_bytes
from loader.records.kernel import Bytes, Int64s, ReadOnlyBytes, lean_kernel, part


@lean_kernel
def add_member(
    payload: ReadOnlyBytes, start: int, end: int, scratch: Bytes, cursor: Int64s, rest_start: int
) -> None:
    """Put a member's bytes behind those that are there already.

    payload     uint8[n]  in      the member is [start, end), from its key's quote on
    scratch     uint8[s]  out     the object so far, from `rest_start` on
    cursor      int64[2]  in/out  the second is where it goes on
    """
    to = cursor[1]
    scratch[np.uint64(to)] = OPEN_OBJECT if to == rest_start else COMMA
    copy_bytes(scratch, to + 1, payload, start, end - start)
    cursor[1] = to + 1 + end - start


@part
def close_rest(room: RoomOfKernel, place: int, scratch: Bytes, cursor: Int64s, rest_start: int) -> None:
    """Put the object into the entry of its column; null where no member was added."""
    if cursor[1] == rest_start:
        room.present[place] = 0
        room.seconds[place] = 0
        room.firsts[place] = 0
        return
    scratch[np.uint64(cursor[1])] = CLOSE_OBJECT
    cursor[1] += 1
    room.firsts[place] = ~rest_start
    room.seconds[place] = cursor[1] - rest_start
