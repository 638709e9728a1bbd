"""Arrow's columns from the room that kernels filled."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loader.formats.arrow_types import to_arrow
from loader.formats.gather import gather_texts, measure_texts
from loader.formats.nodes import Nodes
from loader.formats.room import Room
from loader.values.column_types import (
    ColumnType,
    DecimalType,
    ListType,
    MapType,
    Primitive,
    StructType,
    TimestampType,
)

Octets = NDArray[np.uint8]

_FIXED: Mapping[str, type[np.generic]] = {
    "int": np.int32,
    "long": np.int64,
    "date": np.int32,
    "time": np.int64,
    "timestamp_ntz": np.int64,
}
_REAL: Mapping[str, type[np.generic]] = {"float": np.float32, "double": np.float64}


class ColumnMaker:
    """Makes the columns of one type from a full room.

    payload  uint8[n]  the values that were read
    scratch  uint8[s]  texts that do not stand in them as they are
    """

    def __init__(
        self, column_type: ColumnType, nodes: Nodes, room: Room, payload: Octets, scratch: Octets
    ) -> None:
        self._type = column_type
        self._nodes = nodes
        self._room = room
        self._payload = payload
        self._scratch = scratch

    def column(self) -> pa.Array:
        """The column of the whole type; its bytes are copied once, so the room may be used again."""
        return self._make(self._type, 0)

    def _make(self, column_type: ColumnType, node: int) -> pa.Array:
        start, count = int(self._room.starts[node]), int(self._room.counts[node])
        place = slice(start, start + count)
        present = self._room.present[place]
        null_count = count - int(np.count_nonzero(present))
        validity = pa.py_buffer(np.packbits(present, bitorder="little")) if null_count else None
        buffers: list[pa.Buffer | None]
        children: list[pa.Array] = []
        match column_type:
            case StructType(fields):
                buffers = [validity]
                child = node + 1
                for _, field_type in fields:
                    children.append(self._make(field_type, child))
                    child = int(self._nodes.ends[child])
            case ListType(element):
                buffers = [validity, self._list_offsets(place, count)]
                children.append(self._make(element, node + 1))
            case MapType(key, value):
                buffers = [validity, self._list_offsets(place, count)]
                children.append(self._entries(column_type, key, value, node))
            case DecimalType():
                buffers = [
                    validity,
                    pa.py_buffer(np.stack([self._room.firsts[place], self._room.seconds[place]], 1)),
                ]
            case TimestampType():
                buffers = [validity, pa.py_buffer(self._room.firsts[place].copy())]
            case Primitive(name):
                buffers = [validity, *self._primitive(name, place)]
        return pa.Array.from_buffers(to_arrow(column_type), count, buffers, null_count, children=children)

    def _entries(self, map_type: MapType, key: ColumnType, value: ColumnType, node: int) -> pa.Array:
        keys = self._make(key, node + 1)
        values = self._make(value, int(self._nodes.ends[node + 1]))
        arrow = to_arrow(map_type)
        entry_type = pa.struct([arrow.key_field, arrow.item_field])
        return pa.Array.from_buffers(entry_type, len(keys), [None], 0, children=[keys, values])

    def _list_offsets(self, place: slice, count: int) -> pa.Buffer:
        offsets = np.zeros(count + 1, np.int32)
        np.cumsum(self._room.firsts[place], out=offsets[1:])
        return pa.py_buffer(offsets)

    def _primitive(self, name: str, place: slice) -> list[pa.Buffer]:
        if name in _FIXED:
            return [pa.py_buffer(self._room.firsts[place].astype(_FIXED[name]))]
        if name in _REAL:
            return [pa.py_buffer(self._room.reals[place].astype(_REAL[name]))]
        if name == "boolean":
            return [pa.py_buffer(np.packbits(self._room.firsts[place] != 0, bitorder="little"))]
        return self._texts(place)

    def _texts(self, place: slice) -> list[pa.Buffer]:
        firsts, sizes = self._room.firsts[place], self._room.seconds[place]
        present = self._room.present[place]
        offsets = np.empty(len(firsts) + 1, np.int32)
        data = np.empty(measure_texts(sizes, present), np.uint8)
        gather_texts(self._payload, self._scratch, firsts, sizes, present, offsets, data)
        return [pa.py_buffer(offsets), pa.py_buffer(data)]
