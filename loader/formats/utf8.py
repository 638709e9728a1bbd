"""UTF-8 as kernels judge it, by table 3-7 of the Unicode standard."""

import numpy as np

from loader.records.kernel import ReadOnlyBytes, kernel, lean_kernel


@lean_kernel
def skip_sequence(data: ReadOnlyBytes, at: int, end: int) -> int:
    """Skip one character of several bytes. Returns where it ends, or -1 where it is none before `end`."""
    lead = data[np.uint64(at)]
    more = 1 if lead < 0xE0 else 2 if lead < 0xF0 else 3
    if lead < 0xC2 or lead > 0xF4 or more >= end - at:
        return -1
    second = data[np.uint64(at + 1)]
    if second < 0x80 or second > 0xBF:
        return -1
    # Overlong forms, surrogates, and what is beyond U+10FFFF.
    if (lead == 0xE0 and second < 0xA0) or (lead == 0xED and second > 0x9F):
        return -1
    if (lead == 0xF0 and second < 0x90) or (lead == 0xF4 and second > 0x8F):
        return -1
    for i in range(at + 2, at + 1 + more):
        if data[np.uint64(i)] & 0xC0 != 0x80:
            return -1
    return at + 1 + more


@kernel
def first_no_utf8(data: ReadOnlyBytes, start: int, size: int) -> int:
    """Find the first byte that does not belong.

    data   uint8[n]  in  the bytes
    start  int64     in  where the text starts
    size   int64     in  how many bytes it has, all of them within n

    Returns where in data the character begins that is wrong, or -1 where all is UTF-8.
    """
    end = start + size
    # Plain ASCII is told by a loop that the compiler makes wide.
    above = np.uint8(0)
    for i in range(start, end):
        above |= data[np.uint64(i)]
    if above < 0x80:
        return -1
    at = start
    while at < end:
        if data[np.uint64(at)] < 0x80:
            at += 1
            continue
        after = skip_sequence(data, at, end)
        if after < 0:
            return at
        at = after
    return -1
