"""Located fields to Arrow columns."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from loader.records.gather import gather_bytes, mark_lists, to_microseconds
from loader.records.locate import locate_headers
from loader.records.problems import OK, MalformedBatch
from loader.records.schema import HEADER_TYPE, HEADERS_TYPE, TIMESTAMP_TYPE
from loader.records.text import decode_like_java


class HeadersColumn(NamedTuple):
    """The headers, and how many keys were not UTF-8 and were repaired."""

    array: pa.Array
    repaired_keys: int


class TimestampColumn(NamedTuple):
    """The timestamps, and how many are null only because microseconds cannot hold them."""

    array: pa.Array
    beyond_count: int


def binary(payload: NDArray[np.uint8], spans: NDArray[np.int32], size: int) -> pa.Array:
    """A binary column of fields that lie anywhere in the payload; `size` is the sum of their bytes."""
    count = len(spans)
    offsets = np.empty(count + 1, np.int32)
    data = np.empty(size, np.uint8)
    validity = _no_bits(count)
    nulls = gather_bytes(payload, spans, offsets, data, validity)
    buffers = [_bitmap(validity, nulls), *_buffers(offsets, data)]
    return pa.Array.from_buffers(pa.binary(), count, buffers, nulls)


def timestamps(milliseconds: NDArray[np.int64]) -> TimestampColumn:
    """A timestamp column; takes the array over and changes it."""
    validity = _no_bits(len(milliseconds))
    nulls, beyond = to_microseconds(milliseconds, validity)
    buffers = [_bitmap(validity, nulls), *_buffers(milliseconds)]
    return TimestampColumn(pa.Array.from_buffers(TIMESTAMP_TYPE, len(milliseconds), buffers, nulls), beyond)


def integers(values: NDArray[np.integer]) -> pa.Array:
    """An int32 or int64 column without nulls, sharing the array's memory."""
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, *_buffers(values)], 0)


def constant_integers(value: int, count: int) -> pa.Array:
    """An int32 column of one value."""
    return integers(np.full(count, value, np.int32))


def constant_strings(value: str, count: int) -> pa.Array:
    """A string column of one value."""
    encoded = value.encode()
    offsets = np.arange(0, (count + 1) * len(encoded), len(encoded), dtype=np.int32)
    buffers = [None, *_buffers(offsets), pa.py_buffer(encoded * count)]
    return pa.Array.from_buffers(pa.string(), count, buffers, 0)


def headers(payload: NDArray[np.uint8], spans: NDArray[np.int32], header_count: int) -> HeadersColumn:
    """The headers column; `header_count` is the sum over all rows."""
    count = len(spans)
    if header_count == 0:
        return HeadersColumn(pa.nulls(count, HEADERS_TYPE), 0)
    list_offsets = np.empty(count + 1, np.int32)
    key_spans, value_spans = np.empty((2, header_count, 2), np.int32)
    sizes = np.empty(2, np.int64)
    problem, _ = locate_headers(payload, spans, list_offsets, key_spans, value_spans, sizes)
    if problem != OK:
        raise MalformedBatch.of(problem)
    keys, repaired = _strings(binary(payload, key_spans, sizes[0]))
    values = binary(payload, value_spans, sizes[1])
    structs = pa.Array.from_buffers(HEADER_TYPE, header_count, [None], 0, children=[keys, values])
    validity = _no_bits(count)
    nulls = mark_lists(list_offsets, validity)
    buffers = [_bitmap(validity, nulls), *_buffers(list_offsets)]
    lists = pa.Array.from_buffers(HEADERS_TYPE, count, buffers, nulls, children=[structs])
    return HeadersColumn(lists, repaired)


def _strings(keys: pa.Array) -> tuple[pa.Array, int]:
    try:
        return keys.cast(pa.string()), 0  # copies nothing, but checks each
    except pa.ArrowInvalid:
        texts = [decode_like_java(key) for key in keys.to_pylist()]
        strings = pa.array(texts, pa.string())
        unchanged = pc.equal(strings.cast(pa.binary()), keys)
        return strings, len(keys) - unchanged.true_count


def _no_bits(count: int) -> NDArray[np.uint8]:
    return np.zeros((count + 7) // 8, np.uint8)


def _bitmap(validity: NDArray[np.uint8], null_count: int) -> pa.Buffer | None:
    return pa.py_buffer(validity) if null_count else None


def _buffers(*arrays: NDArray[np.generic]) -> list[pa.Buffer]:
    return [pa.py_buffer(array) for array in arrays]
