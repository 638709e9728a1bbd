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
    return _registered(function)


def lean_kernel(function: Kernel) -> Kernel:
    """Make a function a kernel that allocates nothing, so that Numba needs not count who holds an array.

    Where a kernel hands many arrays on for each field of each record, counting takes most of the time.
    """
    return _registered(function, _nrt=False)


def part(function: Kernel) -> Kernel:
    """Make a function a part of the lean kernels that call it: compiled into them, and not by itself.

    Passing many arrays to what is called for each field takes longer than what is done with them.
    """
    return cast("Kernel", _compiled(function, _nrt=False, forceinline=True))


def _registered(function: Kernel, **options: bool) -> Kernel:
    compiled = _compiled(function, **options)
    KERNELS.setdefault(function.__module__.rpartition(".")[0], []).append(compiled)
    return cast("Kernel", compiled)


def _compiled(function: Callable[..., Any], **options: bool) -> Any:
    return cast(Any, numba.njit)(nogil=True, boundscheck=False, error_model="numpy", **options)(function)
