"""Arrow columns as NumPy sees them, without copying.

Not by pyarrow's own conversions: the first of them imports pandas where that is installed, which takes
half a second in every worker.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def integers(column: pa.Array) -> NDArray[np.int64]:
    """The values of a column of 64-bit integers or timestamps; in the place of a null, anything."""
    values = np.frombuffer(column.buffers()[1], np.int64)
    return values[column.offset : column.offset + len(column)]


def nulls(column: pa.Array) -> NDArray[np.bool_]:
    """Which rows of a column are null."""
    validity = column.buffers()[0]
    if validity is None:
        return np.zeros(len(column), np.bool_)
    bits: NDArray[np.uint8] = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")
    is_null: NDArray[np.bool_] = bits[column.offset : column.offset + len(column)] == 0
    return is_null


def indices(numbers: NDArray[np.int64]) -> pa.Array:
    """Row numbers as Arrow's take() wants them."""
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])
