"""Numbers to the nearest double, ties to even: bit by bit what Python's float() makes of the same text.

A number of at most 53 bits, times or through a power of ten that a double holds, is rounded once by the
processor (Clinger 1990). Others are multiplied by a power of five of 128 bits, of which 64 are nearly always
enough (Lemire, "Number Parsing at a Gigabyte per Second", 2021; that the 128 always are: Mushtak and Lemire,
2023). Where digits are left behind those that were read, the numbers below and above are both rounded, and
where they differ, all digits decide.
"""

import numpy as np

from loader.formats.json.exact import is_above_middle
from loader.formats.json.faults import OUT_OF_RANGE, fault
from loader.formats.json.numbers import NEGATIVE, SHORTENED, read_number
from loader.formats.json.words import Word, as_double, high_product, leading_zeros, signed
from loader.records.kernel import ReadOnlyBytes, lean_kernel

_SMALLEST_POWER, _LARGEST_POWER = -342, 308
_MOST_EXACT = 1 << 53
_POWERS_OF_TEN = np.array([10.0**power for power in range(23)])

_ZERO, _ONE, _THREE = np.uint64(0), np.uint64(1), np.uint64(3)
_LOW_9_BITS = np.uint64(0x1FF)
_HIDDEN_BIT = np.uint64(1 << 52)
_INFINITY = np.uint64(0x7FF << 52)


def _power_of_five(power: int) -> int:
    """The upper 128 bits of a power of five; as the proof has them, from 5 ** -27 to 1 rounded up."""
    if power >= 0:
        five: int = 5**power
        return five << 128 >> five.bit_length()
    divisor: int = 5**-power
    bits = divisor.bit_length()
    if power >= -27:
        return (1 << bits + 127) // divisor + 1
    return (1 << bits + 127) // divisor


_FIVES = [_power_of_five(power) for power in range(_SMALLEST_POWER, _LARGEST_POWER + 1)]
_UPPER = np.array([five >> 64 for five in _FIVES], np.uint64)
_LOWER = np.array([five & (1 << 64) - 1 for five in _FIVES], np.uint64)


@lean_kernel
def read_double(payload: ReadOnlyBytes, at: int, end: int) -> tuple[float, int]:
    """Read a number as a double. Returns (it, where it ends), or (0, a fault)."""
    mantissa, exponent, marks, next_at = read_number(payload, at, end)
    if next_at < 0:
        return 0.0, next_at
    if mantissa <= _MOST_EXACT and -22 <= exponent <= 22 and not marks & SHORTENED:
        value = float(mantissa)
        if exponent < 0:
            value /= _POWERS_OF_TEN[-exponent]
        else:
            value *= _POWERS_OF_TEN[exponent]
    else:
        bits = nearest_bits(np.uint64(mantissa), exponent)
        if marks & SHORTENED:
            above = nearest_bits(np.uint64(mantissa + 1), exponent)
            if above != bits and is_above_middle(payload, at, next_at, bits):
                bits = above
        if bits == _INFINITY:
            return 0.0, fault(OUT_OF_RANGE, at)
        value = as_double(bits)
    return -value if marks & NEGATIVE else value, next_at


@lean_kernel
def nearest_bits(mantissa: Word, exponent: int) -> np.uint64:
    """The bits of the double nearest to mantissa * 10 ** exponent; infinity's where it is too large."""
    if mantissa == _ZERO or exponent < _SMALLEST_POWER:
        return _ZERO
    if exponent > _LARGEST_POWER:
        return _INFINITY
    shift = leading_zeros(mantissa)
    mantissa <<= np.uint64(shift)
    number = exponent - _SMALLEST_POWER
    lower = mantissa * _UPPER[number]
    upper = high_product(mantissa, _UPPER[number])
    if upper & _LOW_9_BITS == _LOW_9_BITS:
        more = high_product(mantissa, _LOWER[number])
        lower += more
        if lower < more:
            upper += _ONE
    top = signed(upper >> np.uint64(63))
    dropped = np.uint64(top + 9)
    bits = upper >> dropped
    # 217706 / 2 ** 16 is the logarithm of 10 to the base 2.
    power = ((217706 * exponent) >> 16) + 63 + top - shift + 1023
    if power <= 0:  # subnormal
        if power <= -63:
            return _ZERO
        bits >>= np.uint64(1 - power)
        # Rounded up to the smallest normal number, it has just that one's bits.
        return (bits + (bits & _ONE)) >> _ONE
    is_tie = lower <= _ONE and -4 <= exponent <= 23 and bits & _THREE == _ONE and bits << dropped == upper
    if is_tie:
        bits -= _ONE
    bits = (bits + (bits & _ONE)) >> _ONE
    if bits >= _HIDDEN_BIT << _ONE:
        bits = _HIDDEN_BIT
        power += 1
    if power >= 0x7FF:
        return _INFINITY
    return bits - _HIDDEN_BIT | np.uint64(power) << np.uint64(52)
