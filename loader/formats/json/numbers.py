"""JSON's numbers: their grammar, and their first 18 digits, which nearly all have no more of."""

import numpy as np

from loader.formats.json.blanks import CLOSE_OBJECT, COMMA, MINUS
from loader.formats.json.faults import unexpected
from loader.formats.json.words import signed
from loader.records.kernel import ReadOnlyBytes, lean_kernel, part

DIGITS = 18
"""As many as an int64 holds whatever they are."""

NEGATIVE, SHORTENED = 1, 2

_ZERO, _POINT, _PLUS = b"0.+"
_SMALL_E, _LARGE_E = b"eE"
_BEYOND = 10**10  # any exponent of this size decides alone: no text has as many digits


@lean_kernel
def read_number(payload: ReadOnlyBytes, at: int, end: int) -> tuple[int, int, int, int]:
    """Read a number, as mantissa * 10 ** exponent.

    Returns (mantissa, exponent, marks, where it ends), or a fault in the last. Marks are NEGATIVE, and
    SHORTENED where the mantissa lacks digits that are not 0, so that the number is a bit larger than it.
    """
    marks = 0
    if at < end and payload[np.uint64(at)] == MINUS:
        marks = NEGATIVE
        at += 1
    first = at
    stop = min(end, at + DIGITS)
    mantissa = 0
    while at < stop:
        digit = signed(payload[np.uint64(at)]) - _ZERO
        if digit < 0 or digit > 9:
            break
        mantissa = mantissa * 10 + digit
        at += 1
    if at == first or (payload[np.uint64(first)] == _ZERO and at > first + 1):
        return 0, 0, 0, unexpected(first + (at > first), end)
    exponent = 0
    if at == stop:
        while at < end:
            digit = signed(payload[np.uint64(at)]) - _ZERO
            if digit < 0 or digit > 9:
                break
            exponent += 1
            if digit > 0:
                marks |= SHORTENED
            at += 1
    if at >= end:
        return mantissa, exponent, marks, at
    byte = payload[np.uint64(at)]
    if byte == _POINT:
        places = at - first if mantissa > 0 else 0
        at += 1
        first = at
        while at < end:
            digit = signed(payload[np.uint64(at)]) - _ZERO
            if digit < 0 or digit > 9:
                break
            if places < DIGITS:
                mantissa = mantissa * 10 + digit
                exponent -= 1
                places += mantissa > 0
            elif digit > 0:
                marks |= SHORTENED
            at += 1
        if at == first:
            return 0, 0, 0, unexpected(at, end)
        if at >= end:
            return mantissa, exponent, marks, at
        byte = payload[np.uint64(at)]
    if byte == _SMALL_E or byte == _LARGE_E:
        power, at = read_exponent(payload, at, end)
        exponent += power
    return mantissa, exponent, marks, at


@part
def read_short_integer(payload: ReadOnlyBytes, at: int, end: int) -> tuple[int, int]:
    """Read an integer as most are: of few digits, with a comma or the end of an object behind it.

    Returns (it, where it ends), or (0, -1) where it is to be read by `read_number`.
    """
    is_negative = payload[np.uint64(at)] == MINUS
    at += is_negative
    first = at
    stop = min(end, at + DIGITS)
    number = 0
    while at < stop:
        digit = signed(payload[np.uint64(at)]) - _ZERO
        if digit < 0 or digit > 9:
            break
        number = number * 10 + digit
        at += 1
    if at == first or at >= end or (payload[np.uint64(first)] == _ZERO and at > first + 1):
        return 0, -1
    byte = payload[np.uint64(at)]
    if byte != COMMA and byte != CLOSE_OBJECT:
        return 0, -1
    return -number if is_negative else number, at


@lean_kernel
def read_exponent(payload: ReadOnlyBytes, at: int, end: int) -> tuple[int, int]:
    """Read what begins with the letter e here. Returns (the exponent, where it ends), or (0, a fault)."""
    at += 1
    is_negative = False
    if at < end:
        is_negative = payload[np.uint64(at)] == MINUS
        if is_negative or payload[np.uint64(at)] == _PLUS:
            at += 1
    first = at
    power = 0
    while at < end:
        digit = signed(payload[np.uint64(at)]) - _ZERO
        if digit < 0 or digit > 9:
            break
        if power < _BEYOND:
            power = power * 10 + digit
        at += 1
    if at == first:
        return 0, unexpected(at, end)
    return -power if is_negative else power, at
