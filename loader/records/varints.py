"""Protocol Buffers' zigzag varints, as record fields are written: 7 bits a byte, lowest first."""

from loader.records.kernel import ReadOnlyBytes, kernel


@kernel
def read_varint(payload: ReadOnlyBytes, at: int, end: int) -> tuple[int, int]:
    """Read an int32 of up to 5 bytes.

    payload  uint8[n]  in  the bytes
    at       int64     in  where the varint starts; -1 when an earlier read failed
    end      int64     in  where it must have ended, at most n

    Returns (value, where the next field starts), or (0, -1): so reads can be chained and checked once.
    """
    value = 0
    shift = 0
    while 0 <= at < end and shift < 35:
        byte = payload[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > 0xFFFFFFFF:
                return 0, -1
            return (value >> 1) ^ -(value & 1), at
        shift += 7
    return 0, -1


@kernel
def read_varlong(payload: ReadOnlyBytes, at: int, end: int) -> tuple[int, int]:
    """Read an int64 of up to 10 bytes; otherwise as `read_varint`."""
    value = 0
    shift = 0
    while 0 <= at < end and shift < 70:
        byte = payload[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if shift == 63 and byte > 1:
                return 0, -1
            # value holds 64 unsigned bits in an int64: shifting it must not bring in the sign
            return ((value >> 1) & 0x7FFFFFFFFFFFFFFF) ^ -(value & 1), at
        shift += 7
    return 0, -1
