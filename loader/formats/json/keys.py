"""Whether the keys of one map are all different."""

import numpy as np

from loader.formats.json.words import Word, signed
from loader.records.kernel import Bytes, Int64s, ReadOnlyBytes, kernel

_FEW = 16
_PRIME = np.uint64(0x100000001B3)  # of FNV-1a
_SEED = np.uint64(0xCBF29CE484222325)


@kernel
def are_same(payload: ReadOnlyBytes, scratch: Bytes, first: int, second: int, size: int) -> bool:
    """Whether two texts of one size are the same; each starts in payload, or at ~place in scratch."""
    for i in range(size):
        left = payload[np.uint64(first + i)] if first >= 0 else scratch[np.uint64(~first + i)]
        right = payload[np.uint64(second + i)] if second >= 0 else scratch[np.uint64(~second + i)]
        if left != right:
            return False
    return True


@kernel
def hashed(octets: ReadOnlyBytes, at: int, size: int, seed: Word) -> np.uint64:
    """A number that texts which differ rarely share."""
    number = seed
    for i in range(size):
        number = (number ^ np.uint64(octets[np.uint64(at + i)])) * _PRIME
    return number ^ number >> np.uint64(32)


@kernel
def has_twice(
    payload: ReadOnlyBytes, scratch: Bytes, firsts: Int64s, sizes: Int64s, begin: int, count: int
) -> bool:
    """Whether a key is there twice.

    payload  uint8[n]  in  the values
    scratch  uint8[s]  in  texts that do not stand in them as they are
    firsts   int64[e]  in  where each text starts in payload, or ~place in scratch
    sizes    int64[e]  in  its bytes
    begin    int64     in  the first key's place in these
    count    int64     in  how many keys there are
    """
    if count <= _FEW:
        for i in range(begin + 1, begin + count):
            for j in range(begin, i):
                if sizes[i] == sizes[j] and are_same(payload, scratch, firsts[i], firsts[j], sizes[i]):
                    return True
        return False
    slots = 64
    while slots < 2 * count:
        slots *= 2
    taken = np.full(slots, -1, np.int64)
    # Whoever writes the keys does not know where the memory of this column lies: they cannot choose them so
    # that many have one number.
    seed = _SEED ^ np.uint64(payload.ctypes.data) * _PRIME
    for i in range(begin, begin + count):
        if firsts[i] >= 0:
            number = hashed(payload, firsts[i], sizes[i], seed)
        else:
            number = hashed(scratch, ~firsts[i], sizes[i], seed)
        slot = signed(number & np.uint64(slots - 1))
        while taken[slot] >= 0:
            other = taken[slot]
            if sizes[i] == sizes[other] and are_same(payload, scratch, firsts[i], firsts[other], sizes[i]):
                return True
            slot = (slot + 1) & (slots - 1)
        taken[slot] = i
    return False
