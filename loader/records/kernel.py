"""What a kernel is: a function of arrays that Numba compiles, with the flags and shapes that all share.

Importing one compiles nothing: see compilation.py.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar, cast

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

# The shapes a kernel takes. A kernel has the one signature that its annotations say.
ReadOnlyBytes = Annotated[NDArray[np.uint8], types.Array(types.uint8, 1, "C", readonly=True)]
Bytes = Annotated[NDArray[np.uint8], types.uint8[::1]]
Int32s = Annotated[NDArray[np.int32], types.int32[::1]]
Int64s = Annotated[NDArray[np.int64], types.int64[::1]]
Spans = Annotated[NDArray[np.int32], types.int32[:, ::1]]

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

KERNELS: dict[str, list[Any]] = {}
"""By package, every kernel whose module is imported."""


def kernel(function: Kernel) -> Kernel:
    """Make a function a kernel: compiled without the GIL, to machine code that checks no bounds itself."""
    compiled = numba.njit(nogil=True, boundscheck=False, error_model="numpy")(function)
    KERNELS.setdefault(function.__module__.rpartition(".")[0], []).append(compiled)
    return cast("Kernel", compiled)


def part(function: Kernel) -> Kernel:
    """Make a function a part of the kernels that call it, which it is compiled into.

    For what is called for each field of each record with many arrays: passing these takes longer than what
    is done with them.
    """
    return cast(
        "Kernel", numba.njit(nogil=True, boundscheck=False, error_model="numpy", forceinline=True)(function)
    )
