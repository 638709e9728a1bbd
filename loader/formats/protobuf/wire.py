"""The wire of Protocol Buffers: numbers, and fields that nobody asked for.

A place below 0 is what is wrong, of `problems`, negative: so reads can be chained. Varints are read as
Google's parsers read them: what goes beyond 64 bits of the tenth byte is dropped, an eleventh is wrong.
"""

import numpy as np

from loader.formats.protobuf import kinds, problems
from loader.records.kernel import Int64s, ReadOnlyBytes, lean_kernel, part

MAX_GROUP_DEPTH = 100
_MAX_SIZE_BYTES = 5


@part
def read_varint(payload: ReadOnlyBytes, at: int, end: int) -> tuple[int, int]:
    """Read 64 bits.

    payload  uint8[n]  in  the bytes
    at       int64     in  where the varint starts
    end      int64     in  where it must have ended, at most n

    Returns (the bits, where the next byte stands), or (0, what is wrong).
    """
    value = 0
    shift = 0
    while at < end:
        byte = payload[np.uint64(at)]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift == 70:
            return 0, -problems.LONG_VARINT
    return 0, -problems.TRUNCATED


@part
def read_size(payload: ReadOnlyBytes, at: int, end: int) -> tuple[int, int]:
    """Read a length, which must fit before `end`; otherwise as `read_varint`."""
    size, start = read_varint(payload, at, end)
    if start < 0:
        return 0, start
    if start - at > _MAX_SIZE_BYTES or size < 0 or size > end - start:
        return 0, -problems.LONG_FIELD
    return size, start


@part
def read_tag(payload: ReadOnlyBytes, at: int, end: int) -> tuple[int, int]:
    """Read a field's number, above its type on the wire, and check both; otherwise as `read_varint`."""
    tag, start = read_varint(payload, at, end)
    if start < 0:
        return 0, start
    wire = tag & 7
    if start - at > _MAX_SIZE_BYTES or tag < 8 or tag > 0xFFFFFFFF or wire > kinds.FIXED_32:
        return 0, -problems.BAD_TAG
    return tag, start


@lean_kernel
def skip_field(payload: ReadOnlyBytes, at: int, end: int, tag: int, open_groups: Int64s) -> int:
    """Skip one field, also one of groups within groups.

    at           int64                   in   where it starts, behind its tag
    end          int64                   in   where it must have ended
    tag          int64                   in   what `read_tag` found
    open_groups  int64[MAX_GROUP_DEPTH]  out  working memory

    Returns where the next one starts, or what is wrong.
    """
    if tag & 7 != kinds.GROUP_START:
        return _skip_value(payload, at, end, tag & 7)
    open_groups[0] = tag >> 3
    depth = 1
    while depth > 0:
        if at >= end:
            return -problems.OPEN_GROUP
        tag, at = read_tag(payload, at, end)
        if at < 0:
            return at
        if tag & 7 == kinds.GROUP_START:
            if depth == MAX_GROUP_DEPTH:
                return -problems.TOO_DEEP
            open_groups[depth] = tag >> 3
            depth += 1
        elif tag & 7 == kinds.GROUP_END:
            depth -= 1
            if open_groups[depth] != tag >> 3:
                return -problems.WRONG_GROUP_END
        else:
            at = _skip_value(payload, at, end, tag & 7)
            if at < 0:
                return at
    return at


@lean_kernel
def _skip_value(payload: ReadOnlyBytes, at: int, end: int, wire: int) -> int:
    if wire == kinds.VARINT:
        _, at = read_varint(payload, at, end)
        return at
    if wire == kinds.LENGTH:
        size, at = read_size(payload, at, end)
        return at if at < 0 else at + size
    if wire == kinds.GROUP_END:
        return -problems.WRONG_GROUP_END
    size = 8 if wire == kinds.FIXED_64 else 4
    return at + size if size <= end - at else -problems.TRUNCATED
