"""A type as kernels see it: its parts in a row, each a node, a struct before its fields."""

from collections.abc import Iterator, Mapping
from typing import Annotated, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from loader.values.column_types import (
    ColumnType,
    DecimalType,
    ListType,
    MapType,
    Primitive,
    StructType,
    TimestampType,
)

STRUCT, LIST, MAP, BOOLEAN, INT, LONG, FLOAT, DOUBLE = range(8)
STRING, BINARY, DATE, TIME, TIMESTAMP, TIMESTAMP_NTZ, DECIMAL = range(8, 15)

KINDS = {
    "boolean": BOOLEAN,
    "int": INT,
    "long": LONG,
    "float": FLOAT,
    "double": DOUBLE,
    "string": STRING,
    "binary": BINARY,
    "date": DATE,
    "time": TIME,
    "timestamp_ntz": TIMESTAMP_NTZ,
}
ENCODING_NUMBERS: Mapping[str | None, int] = {None: 0, "s": 1, "ms": 2, "us": 3, "iso": 4}


class Nodes(NamedTuple):
    """The nodes of one type; node 0 is the whole.

    kinds       int32[n]  STRUCT, LIST, …
    ends        int32[n]  the first node behind this one and all within it: its next sibling, if it has one
    precisions  int32[n]  digits of a decimal, else 0
    scales      int32[n]  digits of a decimal behind the point; of a timestamp its ENCODING_NUMBERS
    """

    kinds: NDArray[np.int32]
    ends: NDArray[np.int32]
    precisions: NDArray[np.int32]
    scales: NDArray[np.int32]


NodesOfKernel = Annotated[Nodes, types.NamedUniTuple(types.int32[::1], 4, Nodes)]


class Node(NamedTuple):
    """One node for Python's side: what it is, and how a message calls it."""

    type: ColumnType
    path: str


def listed(column_type: ColumnType) -> list[Node]:
    """All nodes of a type in their order, with paths like `address.street`, `tags[]` and `scores{}`."""
    return list(_walk(column_type, ""))


def _walk(column_type: ColumnType, path: str) -> Iterator[Node]:
    yield Node(column_type, path)
    for name, child in _children(column_type):
        joined = f"{path}.{name}" if path and name[0] not in "[{" else path + name
        yield from _walk(child, joined)


def _children(column_type: ColumnType) -> list[tuple[str, ColumnType]]:
    match column_type:
        case StructType(fields):
            return list(fields)
        case ListType(element):
            return [("[]", element)]
        case MapType(key, value):
            return [("{key}", key), ("{}", value)]
        case _:
            return []


def nodes_of(column_type: ColumnType) -> Nodes:
    """The nodes of a type for kernels."""
    found = [node.type for node in listed(column_type)]
    sizes = [len(listed(each)) for each in found]
    kinds, precisions, scales = zip(*map(_numbers, found), strict=True)
    ends = [at + size for at, size in enumerate(sizes)]
    return Nodes(*(np.array(each, np.int32) for each in (kinds, ends, precisions, scales)))


def _numbers(column_type: ColumnType) -> tuple[int, int, int]:
    """Kind, precision, scale."""
    match column_type:
        case Primitive(name):
            return KINDS[name], 0, 0
        case TimestampType(encoding):
            return TIMESTAMP, 0, ENCODING_NUMBERS[encoding]
        case DecimalType(precision, scale):
            return DECIMAL, precision, scale
        case ListType():
            return LIST, 0, 0
        case MapType():
            return MAP, 0, 0
        case StructType():
            return STRUCT, 0, 0
