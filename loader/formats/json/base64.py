"""Bytes as JSON spells them: base64 (RFC 4648, section 4), padded, without white space."""

import numpy as np

from loader.records.kernel import Bytes, lean_kernel

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_VALUES = np.full(256, 64, np.int64)
_VALUES[np.frombuffer(_ALPHABET, np.uint8)] = np.arange(64)
_PADDING = ord("=")


@lean_kernel
def decode_base64(text: Bytes, at: int, end: int) -> int:
    """Put the bytes that the text [at, end) spells in its place. Returns where they end, or -1."""
    to = at
    if (end - at) % 4 != 0:
        return -1
    padding = 0
    while padding < 2 and end > at and text[np.uint64(end - 1)] == _PADDING:
        padding += 1
        end -= 1
    bits = count = 0
    while at < end:
        value = _VALUES[text[np.uint64(at)]]
        if value == 64:
            return -1
        bits = (bits << 6 | value) & 0xFFFFFF
        count += 6
        if count >= 8:
            count -= 8
            text[to] = bits >> count & 0xFF
            to += 1
        at += 1
    # What is left over are bits that spell nothing: of another text they would spell the same bytes.
    return -1 if bits & ((1 << count) - 1) else to
