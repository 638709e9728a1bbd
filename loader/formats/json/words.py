"""What processors do in one instruction and Numba has no name for."""

from collections.abc import Callable
from typing import Annotated, Any, cast

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

Octets = NDArray[np.uint8]
Word = Annotated[np.uint64, types.uint64]


def _load(_context: Any, octets: Any, _at: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        word = context.get_value_type(types.uint64).as_pointer()
        place = builder.bitcast(builder.gep(data, [values[1]]), word)
        return builder.load(place, align=1)

    return types.uint64(octets, types.int64), emit


def _count_trailing(_context: Any, _word: Any) -> Any:
    def emit(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.cttz(values[0], cast(Any, cgutils).true_bit)

    return types.int64(types.uint64), emit


def _count_leading(_context: Any, _word: Any) -> Any:
    def emit(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.ctlz(values[0], cast(Any, cgutils).true_bit)

    return types.int64(types.uint64), emit


def _multiply_high(_context: Any, _first: Any, _second: Any) -> Any:
    def emit(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        narrow = context.get_value_type(types.uint64)
        wide = type(narrow)(128)
        product = builder.mul(builder.zext(values[0], wide), builder.zext(values[1], wide))
        return builder.trunc(builder.lshr(product, wide(64)), narrow)

    return types.uint64(types.uint64, types.uint64), emit


def _to_double(_context: Any, _bits: Any) -> Any:
    def emit(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], context.get_value_type(types.float64))

    return types.float64(types.uint64), emit


def _to_bits(_context: Any, _real: Any) -> Any:
    def emit(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], context.get_value_type(types.int64))

    return types.int64(types.float64), emit


# word_at(octets, at): the 8 bytes from there on, the first the lowest; the caller has checked that they are.
word_at = cast(Callable[[Octets, int], np.uint64], intrinsic(_load))

# first_bit(word): how many zeros are below the lowest bit that is set; one is.
first_bit = cast(Callable[[np.uint64], int], intrinsic(_count_trailing))

# leading_zeros(word): how many zeros are above the highest bit that is set; one is.
leading_zeros = cast(Callable[[np.uint64], int], intrinsic(_count_leading))

# high_product(a, b): the upper 64 of the 128 bits of a * b; the lower ones are a * b itself.
high_product = cast(Callable[[np.uint64, np.uint64], np.uint64], intrinsic(_multiply_high))

# as_double(bits): the double that has these bits.
as_double = cast(Callable[[np.uint64], float], intrinsic(_to_double))

# bits_of(real): the bits of a double, as a signed integer.
bits_of = cast(Callable[[float], int], intrinsic(_to_bits))

# signed(number): the same as an int64. Of signed and unsigned numbers in one sum Numba makes a double.
signed = cast(Callable[[Any], int], np.int64)
