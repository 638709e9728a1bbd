"""JSON's texts: where one ends, whether it is well formed, and what it says without its escapes."""

import numpy as np

from loader.formats.json.blanks import BACKSLASH, QUOTE
from loader.formats.json.faults import BAD_ESCAPE, CONTROL, CUT, LONE_SURROGATE, NOT_UTF_8, fault
from loader.formats.json.words import first_bit, signed, word_at
from loader.formats.utf8 import skip_sequence
from loader.records.copying import copy_bytes
from loader.records.kernel import Bytes, ReadOnlyBytes, lean_kernel

_ONES = np.uint64(0x0101010101010101)
_HIGH_BITS = np.uint64(0x8080808080808080)
_SPACES = np.uint64(0x2020202020202020)
_QUOTES = np.uint64(0x2222222222222222)
_BACKSLASHES = np.uint64(0x5C5C5C5C5C5C5C5C)
_ZERO = np.uint64(0)

_U = ord("u")

# What a byte behind a backslash stands for; 0 for none.
_ESCAPED = np.zeros(256, np.uint8)
_ESCAPED[np.frombuffer(b'"\\/bfnrt', np.uint8)] = np.frombuffer(b'"\\/\b\f\n\r\t', np.uint8)

# The value of a hexadecimal digit, else 255.
_HEX = np.full(256, 255, np.uint8)
_HEX[np.frombuffer(b"0123456789abcdefABCDEF", np.uint8)] = [*range(16), *range(10, 16)]


@lean_kernel
def find_text_end(payload: ReadOnlyBytes, at: int, end: int) -> tuple[int, bool]:
    """Read a text from behind its opening quote on.

    Returns (where its closing quote is, whether it has escapes), or (a fault, False).
    """
    has_escapes = False
    last_word = payload.shape[0] - 8
    while True:
        while at <= last_word:
            # The high bit of each byte that is no plain character. Above the first of them a borrow may
            # set others, so only the first is looked at. Bytes behind the end are of the next value.
            word = word_at(payload, at)
            special = (
                (word - _SPACES) | ((word ^ _QUOTES) - _ONES) | ((word ^ _BACKSLASHES) - _ONES) | word
            ) & _HIGH_BITS
            if special != _ZERO:
                at += first_bit(special) >> 3
                break
            at += 8
        while at < end:
            byte = payload[np.uint64(at)]
            if byte == QUOTE:
                return at, has_escapes
            if byte < 0x20:
                return fault(CONTROL, at), False
            if byte == BACKSLASH:
                has_escapes = True
                at = skip_escape(payload, at, end)
            elif byte >= 0x80:
                after = skip_sequence(payload, at, end)
                at = after if after >= 0 else fault(NOT_UTF_8, at)
            else:
                at += 1
                if at <= last_word:
                    break
            if at < 0:
                return at, False
        if at >= end:
            return fault(CUT, end), False


@lean_kernel
def read_unit(payload: ReadOnlyBytes, at: int, end: int) -> int:
    r"""The number of the `\uXXXX` that begins here, or -1 where none does."""
    if at + 6 > end or payload[np.uint64(at)] != BACKSLASH or payload[np.uint64(at + 1)] != _U:
        return -1
    unit = 0
    for i in range(2, 6):
        digit = signed(_HEX[payload[np.uint64(at + i)]])
        if digit > 15:
            return -1
        unit = unit << 4 | digit
    return unit


@lean_kernel
def skip_escape(payload: ReadOnlyBytes, at: int, end: int) -> int:
    """Skip an escape, or both of a surrogate pair. Returns where it ends, or a fault."""
    if at + 1 >= end:
        return fault(CUT, end)
    if payload[np.uint64(at + 1)] != _U:
        return at + 2 if _ESCAPED[payload[np.uint64(at + 1)]] else fault(BAD_ESCAPE, at)
    unit = read_unit(payload, at, end)
    if unit < 0:
        return fault(BAD_ESCAPE, at)
    if unit & 0xF800 != 0xD800:
        return at + 6
    if unit & 0x0400 or read_unit(payload, at + 6, end) & 0xFC00 != 0xDC00:
        return fault(LONE_SURROGATE, at)
    return at + 12


@lean_kernel
def unescape(payload: ReadOnlyBytes, at: int, end: int, target: Bytes, to: int) -> int:
    """Write a well-formed text without its escapes.

    payload  uint8[n]  in   the text is [at, end), without its quotes
    target   uint8[m]  out  from `to` on; it takes no more bytes than the text with its escapes

    Returns where in target it ends.
    """
    while at < end:
        start = at
        while at < end and payload[np.uint64(at)] != BACKSLASH:
            at += 1
        copy_bytes(target, to, payload, start, at - start)
        to += at - start
        if at == end:
            break
        if payload[np.uint64(at + 1)] != _U:
            target[to] = _ESCAPED[payload[np.uint64(at + 1)]]
            to += 1
            at += 2
            continue
        character = read_unit(payload, at, end)
        at += 6
        if character & 0xFC00 == 0xD800:
            character = 0x10000 + ((character & 0x3FF) << 10) + (read_unit(payload, at, end) & 0x3FF)
            at += 6
        to = write_character(character, target, to)
    return to


@lean_kernel
def write_character(character: int, target: Bytes, to: int) -> int:
    """Write a character as UTF-8. Returns where it ends."""
    if character < 0x80:
        target[to] = character
        return to + 1
    size = 2 if character < 0x800 else 3 if character < 0x10000 else 4
    for i in range(size - 1, 0, -1):
        target[to + i] = 0x80 | character & 0x3F
        character >>= 6
    target[to] = (0xF00 >> size) & 0xFF | character
    return to + size
