"""Reading the parts of Avro values: numbers, lengths, decimals.

Every read takes the bytes, where the part starts and where the value ends. One that fails returns ~problem,
which is below 0, for where the next part starts.
"""

import numpy as np

from loader.formats.avro.problems import BAD_LENGTH, BAD_VARINT, TRUNCATED
from loader.records.kernel import ReadOnlyBytes, kernel

LOW_7 = np.uint64(0x7F)


@kernel
def read_number(data: ReadOnlyBytes, at: int, end: int) -> tuple[int, int]:
    """Read a zigzag varint of 64 bits. Returns (number, where the next part starts), or (0, ~problem)."""
    if at >= end:
        return 0, ~TRUNCATED
    byte = data[np.uint64(at)]
    at += 1
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), at
    bits = np.uint64(byte) & LOW_7
    shift = np.uint64(7)
    while byte >= 0x80:
        if shift >= 70:
            return 0, ~BAD_VARINT
        if at >= end:
            return 0, ~TRUNCATED
        byte = data[np.uint64(at)]
        at += 1
        if shift == 63 and byte > 1:
            return 0, ~BAD_VARINT
        bits |= (np.uint64(byte) & LOW_7) << shift
        shift += np.uint64(7)
    return np.int64(bits >> np.uint64(1)) ^ -np.int64(bits & np.uint64(1)), at  # type: ignore[return-value]


@kernel
def read_size(data: ReadOnlyBytes, at: int, end: int) -> tuple[int, int]:
    """Read how many bytes follow, all of them within the value; otherwise as `read_number`."""
    size, at = read_number(data, at, end)
    if at < 0:
        return 0, at
    if size < 0:
        return 0, ~BAD_LENGTH
    if size > end - at:
        return 0, ~TRUNCATED
    return size, at


@kernel
def read_block(data: ReadOnlyBytes, at: int, end: int) -> tuple[int, int]:
    """Read how many elements follow, 0 behind the last; otherwise as `read_number`.

    A count below 0 says that the bytes of the block follow it, for readers that leave them out.
    """
    count, at = read_number(data, at, end)
    if at < 0 or count >= 0:
        return count, at
    _, at = read_size(data, at, end)
    if at < 0:
        return 0, at
    if count == -(1 << 63):
        return 0, ~BAD_LENGTH
    return -count, at


@kernel
def read_little(data: ReadOnlyBytes, at: int, size: int) -> int:
    """The number of `size` bytes, the lowest first, which must be there."""
    bits = np.uint64(0)
    for i in range(size):
        bits |= np.uint64(data[np.uint64(at + i)]) << np.uint64(8 * i)
    return np.int64(bits)  # type: ignore[return-value] # an int for Numba


# 10^digits, its lower and its upper 64 bits.
POWERS_LOW = np.array([10**digits & (1 << 64) - 1 for digits in range(39)], np.uint64)
POWERS_HIGH = np.array([10**digits >> 64 for digits in range(39)], np.uint64)


@kernel
def read_decimal(data: ReadOnlyBytes, at: int, size: int, precision: int) -> tuple[int, int, int]:
    """The big-endian number of `size` bytes, which must be there; none is 0.

    Returns (its lower 64 bits, its upper ones, 1), or (0, 0, 0) where it has more digits than `precision`.
    """
    sign = np.uint64(0)
    if size > 0 and data[np.uint64(at)] >= 0x80:
        sign = ~np.uint64(0)
    low, high = sign, sign
    for i in range(at, at + size):
        lost = high >> np.uint64(56)
        if lost != sign & np.uint64(0xFF):
            return 0, 0, 0
        high = high << np.uint64(8) | low >> np.uint64(56)
        low = low << np.uint64(8) | np.uint64(data[np.uint64(i)])
    if (high ^ sign) >> np.uint64(63) != 0:
        return 0, 0, 0
    size_low, size_high = low ^ sign, high ^ sign
    if sign != 0:
        size_low += np.uint64(1)
        if size_low == 0:
            size_high += np.uint64(1)
    most_high = POWERS_HIGH[precision]
    if size_high > most_high or (size_high == most_high and size_low >= POWERS_LOW[precision]):
        return 0, 0, 0
    return np.int64(low), np.int64(high), 1  # type: ignore[return-value]
