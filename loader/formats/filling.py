"""From a column of bytes to a typed column, by a kernel that fills a room, and what it found wrong."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import types
from numpy.typing import NDArray

from loader.formats.arrays import ColumnMaker
from loader.formats.nodes import Node, listed, nodes_of
from loader.formats.protocol import BadValues, DecodedValues
from loader.formats.room import Room, new_room, with_twice
from loader.records.kernel import ReadOnlyBytes
from loader.values.column_types import ColumnType

GOOD = 0


class Payload(NamedTuple):
    """A column of bytes as kernels read it; r values.

    data     uint8[n]      read-only
    offsets  int32[r + 1]  where each value starts in data
    present  uint8[r]      0 where the value is null
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int32]
    present: NDArray[np.uint8]


class Verdicts(NamedTuple):
    """What was found of each value; a kernel writes only what is bad.

    codes   int32[r]  GOOD, or a number of the format's own for what is wrong
    nodes   int32[r]  the node it was found in
    places  int32[r]  the byte of the value where it was found
    """

    codes: NDArray[np.int32]
    nodes: NDArray[np.int32]
    places: NDArray[np.int32]


PayloadOfKernel = Annotated[
    Payload, types.NamedTuple([ReadOnlyBytes.__metadata__[0], types.int32[::1], types.uint8[::1]], Payload)
]
VerdictsOfKernel = Annotated[Verdicts, types.NamedUniTuple(types.int32[::1], 3, Verdicts)]


class Problem(NamedTuple):
    """One thing that can be wrong: its class, and what a message says of it behind the node's path.

    `{type}` in the text stands for the node's type.
    """

    error_class: str
    text: str


Fill = Callable[[Room, Payload, int, Verdicts, NDArray[np.uint8]], tuple[int, int]]
"""Reads values from a row on into the room, those that are bad as null. Takes the room, the payload, the
first row, the verdicts and scratch; returns (row count, -1), or where the room is full (the row that did not
fit, the full node), with nothing of that row left in the room."""


KEPT_BYTES = 16 * 1024 * 1024
"""Of the numbers of a room, and of scratch: what one large batch of records took is given back."""

NONE_BAD = BadValues(
    np.empty(0, np.int64), pa.array([], pa.string()), pa.array([], pa.string()), pa.array([], pa.int32())
)


def payload_of(values: pa.BinaryArray) -> Payload:
    """The buffers of a column, copying no bytes of values."""
    count = len(values)
    validity, offsets, data = values.buffers()
    starts = np.frombuffer(offsets, np.int32)[values.offset : values.offset + count + 1]
    octets = np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8)
    octets.flags.writeable = False
    if validity is None or not values.null_count:
        present = np.ones(count, np.uint8)
    else:
        bits = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")
        present = np.ascontiguousarray(bits[values.offset : values.offset + count])
    return Payload(octets, np.require(starts, requirements=["C", "W"]), present)


class Filler:
    """Decodes columns of one type by a kernel, one column after the other, in memory that it keeps.

    A page that a process touches for the first time costs more than what is done with it here.

    problems  by the codes that the kernel gives
    """

    def __init__(self, column_type: ColumnType, problems: Mapping[int, Problem]) -> None:
        self._type = column_type
        self._problems = problems
        self._nodes = nodes_of(column_type)
        self._listed = listed(column_type)
        self._room = new_room(self._nodes, 0)
        self._scratch = np.empty(0, np.uint8)

    def decode(
        self,
        values: pa.BinaryArray,
        fill: Fill,
        *,
        scratch_bytes: int = 0,
        schema_ids: NDArray[np.int32] | None = None,
    ) -> DecodedValues:
        """Decode a column.

        scratch_bytes  how much room texts need that do not stand in the values as they are
        schema_ids     int32[r]; of each value, -1 for none
        """
        payload = payload_of(values)
        room, scratch = self._room_for(len(values)), self._scratch_of(scratch_bytes)
        verdicts = Verdicts(*(np.zeros(len(values), np.int32) for _ in range(3)))
        row = 0
        while row < len(values):
            row, full_node = fill(room, payload, row, verdicts, scratch)
            if full_node >= 0:
                room = with_twice(room, self._nodes, full_node)
        column = ColumnMaker(self._type, self._nodes, room, payload.data, scratch).column()
        if room.firsts.nbytes <= KEPT_BYTES:
            self._room = room
        if scratch.nbytes <= KEPT_BYTES:
            self._scratch = scratch
        return DecodedValues(column, bad_values(verdicts, self._listed, self._problems, schema_ids))

    def _room_for(self, row_count: int) -> Room:
        """Empty room; every node has an entry for each row at least."""
        if np.diff(self._room.starts).min() < row_count:
            return new_room(self._nodes, row_count + row_count // 8)
        self._room.counts[:] = 0
        return self._room

    def _scratch_of(self, size: int) -> NDArray[np.uint8]:
        return self._scratch if size <= self._scratch.size else np.empty(size + size // 8, np.uint8)


def bad_values(
    verdicts: Verdicts,
    nodes: Sequence[Node],
    problems: Mapping[int, Problem],
    schema_ids: NDArray[np.int32] | None = None,
) -> BadValues:
    """What is told of the values that are not good."""
    rows = np.flatnonzero(verdicts.codes)
    if not rows.size:
        return NONE_BAD
    codes, where = verdicts.codes[rows].astype(np.int64), verdicts.nodes[rows]
    kinds, kind_of = np.unique(codes << 32 | where, return_inverse=True)
    classes, texts = [], []
    for kind in kinds.tolist():
        problem, node = problems[kind >> 32], nodes[kind & 0xFFFFFFFF]
        classes.append(problem.error_class)
        text = problem.text.replace("{type}", str(node.type))
        texts.append(f"{node.path}: {text} (byte " if node.path else f"{text} (byte ")
    indices = pa.array(kind_of, pa.int64())
    places = pa.array(verdicts.places[rows], pa.int32()).cast(pa.string())
    ids = np.full(len(rows), -1, np.int32) if schema_ids is None else schema_ids[rows]
    return BadValues(
        rows=rows,
        error_classes=pa.array(classes, pa.string()).take(indices),
        error_texts=pc.binary_join_element_wise(
            pa.array(texts, pa.string()).take(indices), places, pa.scalar(")"), ""
        ),
        schema_ids=pa.array(ids, pa.int32(), mask=ids < 0),
    )
