"""Text from where it was found to Arrow's buffers."""

from loader.records.copying import copy_bytes
from loader.records.kernel import Bytes, Int32s, Int64s, ReadOnlyBytes, kernel


@kernel
def measure_texts(sizes: Int64s, present: Bytes) -> int:
    """Sum up the bytes of the entries that are not null."""
    total = 0
    for i in range(sizes.shape[0]):
        if present[i]:
            total += sizes[i]
    return total


@kernel
def gather_texts(
    payload: ReadOnlyBytes,
    scratch: Bytes,
    firsts: Int64s,
    sizes: Int64s,
    present: Bytes,
    offsets: Int32s,
    data: Bytes,
) -> None:
    """Copy texts into one Arrow column.

    payload  uint8[n]      in   the values
    scratch  uint8[s]      in   texts that do not stand in the values as they are
    firsts   int64[r]      in   where each text starts in payload, or ~place in scratch
    sizes    int64[r]      in   its bytes
    present  uint8[r]      in   1 where it is not null
    offsets  int32[r + 1]  out  where each text starts in data
    data     uint8[d]      out  the texts, back to back; d is the sum of their bytes
    """
    end = 0
    offsets[0] = 0
    for i in range(firsts.shape[0]):
        if present[i]:
            if firsts[i] >= 0:
                copy_bytes(data, end, payload, firsts[i], sizes[i])
            else:
                copy_bytes(data, end, scratch, ~firsts[i], sizes[i])
            end += sizes[i]
        offsets[i + 1] = end
