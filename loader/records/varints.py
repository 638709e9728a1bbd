"""Protocol Buffers' zigzag varints, as record fields are written: 7 bits a byte, lowest first.

Places are unsigned where they index: Numba lets a signed index count from the end of the array, and
testing each for that takes three times as long as all the rest.
"""

import numpy as np

from loader.records.kernel import ReadOnlyBytes, kernel


@kernel
def read_varint(payload: ReadOnlyBytes, at: int, end: int) -> tuple[int, int]:
    """Read an int32 of up to 5 bytes.

    payload  uint8[n]  in  the bytes
    at       int64     in  where the varint starts; -1 when an earlier read failed
    end      int64     in  where it must have ended, at most n

    Returns (value, where the next field starts), or (0, -1): so reads can be chained and checked once.
    """
    if at < 0 or at >= end:
        return 0, -1
    byte = payload[np.uint64(at)]
    at += 1
    value = byte & 0x7F
    shift = 7
    while byte >= 0x80:
        if at >= end or shift >= 35:
            return 0, -1
        byte = payload[np.uint64(at)]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
    if value > 0xFFFFFFFF:
        return 0, -1
    return (value >> 1) ^ -(value & 1), at


@kernel
def read_varlong(payload: ReadOnlyBytes, at: int, end: int) -> tuple[int, int]:
    """Read an int64 of up to 10 bytes; otherwise as `read_varint`."""
    if at < 0 or at >= end:
        return 0, -1
    byte = payload[np.uint64(at)]
    at += 1
    value = byte & 0x7F
    shift = 7
    while byte >= 0x80:
        if at >= end or shift >= 70:
            return 0, -1
        byte = payload[np.uint64(at)]
        at += 1
        if shift == 63 and byte > 1:
            return 0, -1
        value |= (byte & 0x7F) << shift
        shift += 7
    # value holds 64 unsigned bits in an int64: shifting it must not bring in the sign
    return ((value >> 1) & 0x7FFFFFFFFFFFFFFF) ^ -(value & 1), at
