"""Copying bytes inside a kernel, as fast as the machine can.

A loop over bytes in a kernel runs at 0.6 GB/s, because Numba lets every index count from the end of the
array; a slice assignment at 1 to 1.5 GB/s. A plain memcpy runs at 5 to 8 GB/s.
"""

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def copy_bytes(_typing: Any, target: Any, to: Any, source: Any, start: Any, size: Any) -> Any:
    """Copy source[start:start + size] to target[to:to + size], which the caller has checked, by memcpy."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        arrays = [context.make_array(signature.args[i])(context, builder, arguments[i]).data for i in (0, 2)]
        to_pointer = builder.gep(arrays[0], [arguments[1]])
        from_pointer = builder.gep(arrays[1], [arguments[3]])
        cgutils.raw_memcpy(builder, to_pointer, from_pointer, arguments[4], 1)
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64, types.int64), generate
