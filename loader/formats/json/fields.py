"""The names of fields as kernels look for them: the one that is expected first, then all others."""

from typing import Annotated, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from loader.formats.json.texts import find_text_end, unescape
from loader.formats.json.words import signed, word_at
from loader.formats.nodes import NodesOfKernel, listed, nodes_of
from loader.records.kernel import Bytes, Int32s, ReadOnlyBytes, lean_kernel, part
from loader.values.column_types import ColumnType, ListType, MapType, StructType

NO_NAME = -1


class Names(NamedTuple):
    """Of each node its name within its struct; n nodes.

    octets   uint8[m]      the names, back to back, each with a closing quote behind it
    starts   int32[n]      where each one starts in octets
    sizes    int32[n]      its bytes without the quote, NO_NAME where no key of JSON can be it
    words    uint64[n, 2]  the first 16 bytes of the name and its quote, 0 behind it
    masks    uint64[n, 2]  which bits of words count; of a name that no key is, a word has others
    counts   int32[n]      how many fields a struct has
    guesses  int32[n, 2]   which field came last time as the first of this node, and which behind it; changes
    """

    octets: NDArray[np.uint8]
    starts: NDArray[np.int32]
    sizes: NDArray[np.int32]
    words: NDArray[np.uint64]
    masks: NDArray[np.uint64]
    counts: NDArray[np.int32]
    guesses: NDArray[np.int32]


_INT32S, _WORDS = types.int32[::1], types.uint64[:, ::1]
NamesOfKernel = Annotated[
    Names,
    types.NamedTuple(
        [types.uint8[::1], _INT32S, _INT32S, _WORDS, _WORDS, _INT32S, types.int32[:, ::1]], Names
    ),
]


def names_of(column_type: ColumnType, *, with_rest: bool) -> Names:
    """The names of the fields of a type.

    with_rest  whether the last field is for unknown fields, so that no key of JSON is its name
    """
    nodes = nodes_of(column_type)
    names = list(_names(column_type, None))
    if with_rest:
        names[-1] = None
    encoded = [b"" if name is None else name.encode("utf-8", "surrogatepass") for name in names]
    starts = np.cumsum([0, *(len(each) + 1 for each in encoded)])[:-1].astype(np.int32)
    sizes = [NO_NAME if name is None else len(each) for name, each in zip(names, encoded, strict=True)]
    words, masks = zip(*map(_words, names, encoded), strict=True)
    guesses = np.zeros((len(names), 2), np.int32)
    _guess(column_type, nodes.ends, 0, guesses)
    return Names(
        np.frombuffer(b"".join(each + b'"' for each in encoded), np.uint8).copy(),
        starts,
        np.array(sizes, np.int32),
        np.array(words, np.uint64),
        np.array(masks, np.uint64),
        np.array([len(_parts(node.type)) for node in listed(column_type)], np.int32),
        guesses,
    )


def _names(column_type: ColumnType, name: str | None) -> "list[str | None]":
    found: list[str | None] = [name]
    match column_type:
        case StructType(fields):
            for field_name, field_type in fields:
                found += _names(field_type, field_name)
        case ListType(element):
            found += _names(element, None)
        case MapType(key, value):
            found += _names(key, None) + _names(value, None)
    return found


def _words(name: str | None, encoded: bytes) -> tuple[tuple[int, int], tuple[int, int]]:
    # Of a name that JSON must escape, no bytes can be compared with a key as it stands there.
    if name is None or any(letter in '"\\' or letter < " " for letter in name):
        return (1, 1), (0, 0)
    parts = (encoded + b'"')[:8], (encoded + b'"')[8:16]
    first, second = (int.from_bytes(each, "little") for each in parts)
    return (first, second), ((1 << 8 * len(parts[0])) - 1, (1 << 8 * len(parts[1])) - 1)


def _guess(column_type: ColumnType, ends: Int32s, node: int, guesses: NDArray[np.int32]) -> None:
    """Expect the fields in the order of the type; behind the last of them the first."""
    child = node + 1
    for part_type in _parts(column_type):
        following = int(ends[child])
        guesses[child, 1] = following if following < ends[node] else node + 1
        _guess(part_type, ends, child, guesses)
        child = following
    guesses[node, 0] = node + 1 if child > node + 1 else node


def _parts(column_type: ColumnType) -> list[ColumnType]:
    match column_type:
        case StructType(fields):
            return [each for _, each in fields]
        case ListType(element):
            return [element]
        case MapType(key, value):
            return [key, value]
    return []


@part
def is_expected(payload: ReadOnlyBytes, at: int, end: int, names: NamesOfKernel, node: int) -> bool:
    """Whether the name of a node and a closing quote stand here; where too few bytes follow, no is said."""
    size = signed(names.sizes[node])
    if at + 16 > payload.shape[0] or at + size >= end:
        return False
    if word_at(payload, at) & names.masks[node, 0] != names.words[node, 0]:
        return False
    if size < 8:
        return True
    if word_at(payload, at + 8) & names.masks[node, 1] != names.words[node, 1]:
        return False
    start = signed(names.starts[node])
    for i in range(16, size + 1):
        if payload[np.uint64(at + i)] != names.octets[np.uint64(start + i)]:
            return False
    return True


@lean_kernel
def find_field(
    payload: ReadOnlyBytes,
    at: int,
    end: int,
    names: NamesOfKernel,
    nodes: NodesOfKernel,
    node: int,
    scratch: Bytes,
    scratch_at: int,
) -> tuple[int, int]:
    """Find which field of a struct a key names.

    payload     uint8[n]  in   the key begins at `at`, behind its quote
    node        int64     in   the struct
    scratch     uint8[s]  out  for the kernel's own use from `scratch_at` on

    Returns (where the closing quote is, the field's node or -1 for none), or (a fault, -1).
    """
    close, has_escapes = find_text_end(payload, at, end)
    if close < 0:
        return close, -1
    size = close - at
    if has_escapes:
        size = unescape(payload, at, close, scratch, scratch_at) - scratch_at
    child = node + 1
    while child < nodes.ends[node]:
        if names.sizes[child] == size:
            start = signed(names.starts[child])
            i = 0
            while i < size:
                byte = scratch[np.uint64(scratch_at + i)] if has_escapes else payload[np.uint64(at + i)]
                if byte != names.octets[np.uint64(start + i)]:
                    break
                i += 1
            if i == size:
                return close, child
        child = signed(nodes.ends[child])
    return close, -1
