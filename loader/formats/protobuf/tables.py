"""What kernels read of a topic's messages: tables of numbers, made of the shapes and the columns.

A message that lies at two places is there twice: each of its fields has one node of the columns.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from loader.formats.nodes import LIST as LIST_NODE
from loader.formats.nodes import MAP as MAP_NODE
from loader.formats.nodes import nodes_of
from loader.formats.protobuf import kinds
from loader.formats.protobuf.shapes import FieldShape, Form, MessageShape
from loader.values.column_types import ColumnType, ListType, MapType, StructType

DENSE_NUMBERS = 1024
"""Fields with lower numbers are found by their number, others by halving."""

FIRST_FIELD, FIELD_COUNT, FIRST_DENSE, DENSE_COUNT, FIRST_ARRIVAL, ARRIVAL_COUNT, MESSAGE_NODE = range(7)
NUMBER, KIND, LABEL, WIRE, NODE, MESSAGE, FIRST_RIVAL, RIVAL_COUNT, ENUM = range(9)
ROOT_MESSAGE, FIRST_REQUIRED, REQUIRED_COUNT, FIRST_MOMENT, MOMENT_COUNT = range(5)


class Tables(NamedTuple):
    """All messages of all schemas of a topic.

    roots         int32[r, 5]  of each message that a value can be, its ROOT_MESSAGE, …
    messages      int32[m, 7]  FIRST_FIELD, …; its fields stand together, by rising numbers
    fields        int32[f, 9]  NUMBER, …; WIRE is the type of one value; MESSAGE is -1 for a scalar
    dense         int32[d]     of each low number of a message its field, -1 for none
    arrivals      int64[a, 3]  what is no longer null once a message is there: a node, and what an
                               entry of it holds by default
    rivals        int32[o]     nodes of the other fields of a oneof
    required      int32[q, 2]  a node that must not be null, and the struct it lies in
    moments       int32[t, 2]  a node of seconds and nanoseconds; 1 for a Duration
    maps          int32[p]     nodes of maps
    owners        int32[n]     of each node, the list or map it lies in; -1 for none
    enums         int32[e, 2]  where the names of an enum begin in `names`, and how many there are
    names         int32[x, 3]  a number, and where its name stands in `letters` with how many bytes
    letters       uint8[l]     the names
    """

    roots: NDArray[np.int32]
    messages: NDArray[np.int32]
    fields: NDArray[np.int32]
    dense: NDArray[np.int32]
    arrivals: NDArray[np.int64]
    rivals: NDArray[np.int32]
    required: NDArray[np.int32]
    moments: NDArray[np.int32]
    maps: NDArray[np.int32]
    owners: NDArray[np.int32]
    enums: NDArray[np.int32]
    names: NDArray[np.int32]
    letters: NDArray[np.uint8]


_ROW, _TABLE = types.int32[::1], types.int32[:, ::1]
TableOfKernel = Annotated[NDArray[np.int32], _TABLE]
TablesOfKernel = Annotated[
    Tables,
    types.NamedTuple(
        [
            _TABLE,
            _TABLE,
            _TABLE,
            _ROW,
            types.int64[:, ::1],
            _ROW,
            _TABLE,
            _TABLE,
            _ROW,
            _ROW,
            _TABLE,
            _TABLE,
            types.uint8[::1],
        ],
        Tables,
    ),
]


def tables_of(roots: Sequence[MessageShape], column_type: StructType) -> Tables:
    """The tables of messages of which each may be a value, into columns that hold all their fields."""
    return _Builder(column_type).build(roots)


class _Builder:
    """Collects rows of the tables."""

    def __init__(self, column_type: StructType) -> None:
        self._column_type = column_type
        self._nodes = nodes_of(column_type)
        self._messages: list[tuple[int, ...]] = []
        self._fields: list[tuple[int, ...]] = []
        self._dense: list[int] = []
        self._arrivals: list[tuple[int, int, int]] = []
        self._rivals: list[int] = []
        self._required: list[tuple[int, int]] = []
        self._moments: list[tuple[int, int]] = []
        self._enums: dict[tuple[tuple[int, str], ...], int] = {}
        self._enum_rows: list[tuple[int, int]] = []
        self._names: list[tuple[int, int, int]] = []
        self._letters = bytearray()

    def build(self, roots: Sequence[MessageShape]) -> Tables:
        rows = []
        for shape in roots:
            required, moments = len(self._required), len(self._moments)
            message = self._message(shape, self._column_type, 0)
            rows.append(
                (message, required, len(self._required) - required, moments, len(self._moments) - moments)
            )
        return Tables(
            roots=_table(rows, 5),
            messages=_table(self._messages, 7),
            fields=_table(self._fields, 9),
            dense=np.array(self._dense, np.int32),
            arrivals=_table(self._arrivals, 3).astype(np.int64),
            rivals=np.array(self._rivals, np.int32),
            required=_table(self._required, 2),
            moments=_table(self._moments, 2),
            maps=np.flatnonzero(self._nodes.kinds == MAP_NODE).astype(np.int32),
            owners=np.array(self._owners(), np.int32),
            enums=_table(self._enum_rows, 2),
            names=_table(self._names, 3),
            letters=np.frombuffer(bytes(self._letters), np.uint8).copy(),
        )

    def _owners(self) -> list[int]:
        owners = [-1] * len(self._nodes.kinds)
        for node, kind in enumerate(self._nodes.kinds.tolist()):
            if kind in (LIST_NODE, MAP_NODE):
                for within in range(node + 1, int(self._nodes.ends[node])):
                    owners[within] = node
        return owners

    def _message(self, shape: MessageShape, column_type: ColumnType, node: int) -> int:
        """Add a message whose entries are those of a node; returns which row it is."""
        index = len(self._messages)
        self._messages.append(())
        children = self._children(shape, column_type, node)
        oneofs = _oneofs(shape, children)
        rows, arrivals = [], [(node, 0, 0)]
        if not shape.fields and shape.form is Form.PLAIN:
            arrivals.append((node + 1, 1, 0))
        for field in sorted(shape.fields, key=lambda each: each.number):
            child, child_type = children[field.name]
            rivals = [each for each in oneofs.get(field.oneof, ()) if each != child]
            rows.append(self._field(field, child, child_type, rivals))
            if field.label != kinds.SINGLE:
                arrivals.append((child, 0, 0))
            elif not field.has_presence and field.message is None:
                arrivals.append((child, *self._default(field)))
            if field.is_required:
                self._required.append((child, node))
        if shape.form in (Form.MOMENT, Form.DURATION):
            self._moments.append((node, int(shape.form is Form.DURATION)))
        self._messages[index] = self._row(rows, arrivals, node)
        return index

    def _row(
        self, rows: Sequence[tuple[int, ...]], arrivals: Sequence[tuple[int, int, int]], node: int
    ) -> tuple[int, ...]:
        numbers = {row[NUMBER]: len(self._fields) + at for at, row in enumerate(rows)}
        dense_count = min(max(numbers, default=-1) + 1, DENSE_NUMBERS)
        found = (
            *(len(self._fields), len(rows)),
            *(len(self._dense), dense_count),
            *(len(self._arrivals), len(arrivals)),
            node,
        )
        self._fields += rows
        self._dense += [numbers.get(number, -1) for number in range(dense_count)]
        self._arrivals += arrivals
        return found

    def _children(
        self, shape: MessageShape, column_type: ColumnType, node: int
    ) -> Mapping[str, tuple[int, ColumnType]]:
        """The node of each field, and its type."""
        if shape.form is not Form.PLAIN or not isinstance(column_type, StructType):
            return {field.name: (node, column_type) for field in shape.fields}
        children = {}
        at = node + 1
        for name, child_type in column_type.fields:
            children[name] = at, child_type
            at = int(self._nodes.ends[at])
        return children

    def _field(
        self, field: FieldShape, node: int, column_type: ColumnType, rivals: Sequence[int]
    ) -> tuple[int, ...]:
        message = -1
        if field.message is not None:
            if isinstance(column_type, MapType):
                message = self._entries(field.message, column_type, node)
            elif isinstance(column_type, ListType):
                message = self._message(field.message, column_type.element, node + 1)
            else:
                message = self._message(field.message, column_type, node)
        first_rival = len(self._rivals)
        self._rivals += rivals
        return (
            *(field.number, field.kind, field.label, kinds.WIRE_TYPES[field.kind], node, message),
            *(first_rival, len(rivals), self._enum(field.enum) if field.kind == kinds.ENUM else -1),
        )

    def _entries(self, shape: MessageShape, map_type: MapType, node: int) -> int:
        """The entries of a map: a message whose two fields are never null."""
        index = len(self._messages)
        self._messages.append(())
        places = (node + 1, map_type.key), (int(self._nodes.ends[node + 1]), map_type.value)
        rows, arrivals = [], []
        for field, (child, child_type) in zip(shape.fields, places, strict=True):
            rows.append(self._field(field, child, child_type, ()))
            if field.message is None:
                arrivals.append((child, *self._default(field)))
            else:
                _, _, _, _, first, count, _ = self._messages[rows[-1][MESSAGE]]
                arrivals += self._arrivals[first : first + count]
        self._messages[index] = self._row(rows, arrivals, node + 1)
        return index

    def _default(self, field: FieldShape) -> tuple[int, int]:
        if field.kind != kinds.ENUM:
            return 0, 0
        first, count = self._enum_rows[self._enum(field.enum)]
        for number, place, size in self._names[first : first + count]:
            if number == field.enum_default:
                return ~place, size
        raise AssertionError(f"{field.name}: an enum has a name for its default")

    def _enum(self, enum: tuple[tuple[int, str], ...]) -> int:
        if enum not in self._enums:
            self._enums[enum] = len(self._enum_rows)
            self._enum_rows.append((len(self._names), len(enum)))
            for number, name in enum:
                letters = name.encode()
                self._names.append((number, len(self._letters), len(letters)))
                self._letters += letters
        return self._enums[enum]


def _oneofs(
    shape: MessageShape, children: Mapping[str, tuple[int, ColumnType]]
) -> Mapping[str, Sequence[int]]:
    oneofs: dict[str, list[int]] = {}
    for field in shape.fields:
        if field.oneof:
            oneofs.setdefault(field.oneof, []).append(children[field.name][0])
    return oneofs


def _table(rows: Sequence[tuple[int, ...]], width: int) -> NDArray[np.int32]:
    return np.array(rows, np.int32).reshape(len(rows), width)
