"""Numbers of more digits than fit, compared with the middle between two doubles: by all their digits."""

from typing import Annotated

import numpy as np
from numba import types
from numpy.typing import NDArray

from loader.formats.json.numbers import read_exponent
from loader.formats.json.words import Word, signed
from loader.records.kernel import ReadOnlyBytes, kernel

Limbs = Annotated[NDArray[np.uint64], types.uint64[::1]]

_LIMBS = 160  # of 32 bits. The largest here is below 10 ** 802 * 2 ** 1075, and below 2 ** 54 * 10 ** 1144
_MOST_DIGITS = 800  # no middle has more than 767
_ZERO, _MINUS, _POINT = b"0-."
_LETTERS = 65  # the letter e, small or large, and no other part of a number, lies above
_TEN, _TWO = np.uint64(10), np.uint64(2)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


@kernel
def is_above_middle(payload: ReadOnlyBytes, at: int, end: int, bits: Word) -> bool:
    """Whether a number is to be rounded up, to the next double above the one that has these bits.

    payload  uint8[n]  in  the number is [at, end), well formed; its sign counts for nothing
    bits     uint64    in  of the largest double that is not above the number, or the nearest to it
    """
    number = np.zeros(_LIMBS, np.uint64)
    middle = np.zeros(_LIMBS, np.uint64)
    digits = power = 0
    is_fraction = is_more = False
    while at < end:
        byte = signed(payload[np.uint64(at)])
        if byte >= _LETTERS:
            written, at = read_exponent(payload, at, end)
            power += written
            break
        if byte == _POINT:
            is_fraction = True
        elif byte != _MINUS:
            if digits < _MOST_DIGITS:
                multiply(number, _TEN, np.uint64(byte - _ZERO))
                digits += digits > 0 or byte > _ZERO
                power -= is_fraction
            else:
                is_more = is_more or byte > _ZERO
                power += not is_fraction
        at += 1
    if is_more:
        multiply(number, _TEN, np.uint64(1))
        power -= 1
    exponent = signed(bits >> np.uint64(52))
    fraction = signed(bits) & ((1 << 52) - 1)
    if exponent > 0:
        fraction |= 1 << 52
    else:
        exponent = 1
    middle[0] = np.uint64(2 * fraction + 1) & _LOW
    middle[1] = np.uint64(2 * fraction + 1) >> _32
    # The middle is (2 * fraction + 1) * 2 ** (exponent - 1076), the number so far one of 10 ** power.
    scale(number, _TEN, power)
    scale(middle, _TEN, -power)
    scale(middle, _TWO, exponent - 1076)
    scale(number, _TWO, 1076 - exponent)
    for i in range(_LIMBS - 1, -1, -1):
        if number[i] != middle[i]:
            return bool(number[i] > middle[i])
    return bool(fraction & 1)  # in the very middle, the even one is the nearest


@kernel
def scale(limbs: Limbs, factor: Word, times: int) -> None:
    """Multiply a large number in place by a power; by none where it is below 1."""
    for _ in range(times):
        multiply(limbs, factor, np.uint64(0))


@kernel
def multiply(limbs: Limbs, factor: Word, addend: Word) -> None:
    """Multiply a large number in place, and add to it."""
    carry = addend
    for i in range(_LIMBS):
        product = limbs[i] * factor + carry
        limbs[i] = product & _LOW
        carry = product >> _32
