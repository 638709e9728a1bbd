"""Numbers as exact integers of units of 10 ** -scale: for integers, decimals and moments."""

import numpy as np

from loader.formats.json.faults import NOT_EXACT, OUT_OF_RANGE, fault
from loader.formats.json.numbers import DIGITS, NEGATIVE, SHORTENED, read_exponent, read_number
from loader.formats.json.words import high_product, signed
from loader.records.kernel import ReadOnlyBytes, lean_kernel

_POWERS_OF_TEN = np.array([10**power for power in range(DIGITS + 1)], np.int64)
_TEN, _TEN_TO_19, _NONE = np.uint64(10), np.uint64(10**19), np.uint64(0)
_ZERO, _MINUS, _POINT = b"0-."
_LETTERS = 65


@lean_kernel
def read_exact(payload: ReadOnlyBytes, at: int, end: int, precision: int, scale: int) -> tuple[int, int, int]:
    """Read a number of at most `precision` digits, `scale` of them behind the point: none may be lost.

    Returns (the lower 64 bits of number * 10 ** scale, the upper ones, where it ends), or (0, 0, a fault).
    """
    mantissa, exponent, marks, next_at = read_number(payload, at, end)
    if next_at < 0:
        return 0, 0, next_at
    shift = exponent + scale
    if mantissa == 0 and not marks & SHORTENED:
        return 0, 0, next_at
    if not marks & SHORTENED and -DIGITS <= shift <= DIGITS:
        if shift < 0:
            if mantissa % _POWERS_OF_TEN[-shift] != 0:
                return 0, 0, fault(NOT_EXACT, at)
            mantissa //= _POWERS_OF_TEN[-shift]
        fits = shift <= 0 or mantissa < _POWERS_OF_TEN[DIGITS - shift]
        if fits:
            if shift > 0:
                mantissa *= _POWERS_OF_TEN[shift]
            if precision < DIGITS and mantissa >= _POWERS_OF_TEN[precision]:
                return 0, 0, fault(OUT_OF_RANGE, at)
            if marks & NEGATIVE:
                mantissa = -mantissa
            return mantissa, mantissa >> 63, next_at
    lower, upper, problem = read_wide(payload, at, next_at, precision, scale)
    if problem:
        return 0, 0, fault(problem, at)
    return lower, upper, next_at


@lean_kernel
def read_wide(payload: ReadOnlyBytes, at: int, end: int, precision: int, scale: int) -> tuple[int, int, int]:
    """Read the well-formed number [at, end), of any number of digits, as `read_exact` does.

    Returns (lower bits, upper bits, 0), or (0, 0, what is wrong).
    """
    digits, exponent = count_digits(payload, at, end)
    shift = exponent + scale
    if digits == 0:
        return 0, 0, 0
    if shift < 0:
        return 0, 0, NOT_EXACT
    total = digits + shift
    if total > precision:
        return 0, 0, OUT_OF_RANGE
    # The last 19 digits, and those before them, fit into 64 bits each.
    before = behind = _NONE
    is_negative = payload[np.uint64(at)] == _MINUS
    place = 0
    while place < total:
        digit = 0
        if place < digits:
            digit = signed(payload[np.uint64(at)]) - _ZERO
            at += 1
            if digit < 0 or digit > 9 or (digit == 0 and place == 0):
                continue  # a sign, the point, or a zero before all others
        if place < total - 19:
            before = before * _TEN + np.uint64(digit)
        else:
            behind = behind * _TEN + np.uint64(digit)
        place += 1
    lower = before * _TEN_TO_19
    upper = high_product(before, _TEN_TO_19)
    lower += behind
    if lower < behind:
        upper += np.uint64(1)
    if is_negative:
        lower = ~lower + np.uint64(1)
        upper = ~upper
        if lower == _NONE:
            upper += np.uint64(1)
    return signed(lower), signed(upper), 0


@lean_kernel
def count_digits(payload: ReadOnlyBytes, at: int, end: int) -> tuple[int, int]:
    """How many digits the well-formed number [at, end) has from its first to its last that is not 0.

    Returns (how many, the power of ten that the last of them counts).
    """
    digits = power = zeros = 0
    is_fraction = False
    while at < end:
        byte = signed(payload[np.uint64(at)])
        if byte >= _LETTERS:
            written, at = read_exponent(payload, at, end)
            power += written
            break
        if byte == _POINT:
            is_fraction = True
        elif byte != _MINUS:
            power -= is_fraction
            if byte > _ZERO:
                digits += zeros + 1
                zeros = 0
            elif digits > 0:
                zeros += 1
        at += 1
    return digits, power + zeros


@lean_kernel
def read_long(payload: ReadOnlyBytes, at: int, end: int) -> tuple[int, int]:
    """Read an integer of 64 bits, however it is written. Returns (it, where it ends), or (0, a fault)."""
    mantissa, exponent, marks, next_at = read_number(payload, at, end)
    if exponent == 0 and not marks & SHORTENED:  # so is a fault
        return -mantissa if marks & NEGATIVE else mantissa, next_at
    lower, upper, next_at = read_exact(payload, at, end, 19, 0)
    if next_at >= 0 and upper != lower >> 63:
        return 0, fault(OUT_OF_RANGE, at)
    return lower, next_at
