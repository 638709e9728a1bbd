"""Columns of JSON texts to a column of structs."""

from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loader.formats.arrow_types import to_arrow
from loader.formats.filling import Filler, Payload, Verdicts
from loader.formats.json.faults import MAX_DEPTH, PROBLEMS
from loader.formats.json.fields import names_of
from loader.formats.json.objects import DROP, FAIL, REST, read_objects
from loader.formats.nodes import nodes_of
from loader.formats.protocol import DecodedValues
from loader.formats.room import Room
from loader.records.compilation import ensure_compiled
from loader.values.column_types import StructType

PACKAGES = ("loader.formats", "loader.formats.json")
_NUMBERS = {"rest": REST, "drop": DROP, "fail": FAIL}


class JsonDecoder:
    """Reads each value into the columns of a type; with "rest" the last of them takes unknown fields."""

    def __init__(self, value_type: StructType, unknown_fields: Literal["rest", "drop", "fail"]) -> None:
        ensure_compiled(*PACKAGES)
        self._type = value_type
        self._unknown = _NUMBERS[unknown_fields]
        self._nodes = nodes_of(value_type)
        self._filler = Filler(value_type, PROBLEMS)
        self._names = names_of(value_type, with_rest=unknown_fields == "rest")
        self._stack = np.empty((MAX_DEPTH + 1, 4), np.int64)
        self._closings = np.empty(MAX_DEPTH, np.uint8)

    @property
    def column_type(self) -> pa.DataType:
        """A struct of the columns."""
        return to_arrow(self._type)

    def decode(self, values: pa.BinaryArray) -> DecodedValues:
        """The values as structs; which are bad, and why."""
        offsets = np.frombuffer(values.buffers()[1], np.int32)[values.offset :]
        size = int(offsets[len(values)]) - int(offsets[0]) if len(values) else 0
        cursor = np.array([0, size], np.int64)

        def fill(
            room: Room, payload: Payload, row: int, verdicts: Verdicts, scratch: NDArray[np.uint8]
        ) -> tuple[int, int]:
            return read_objects(
                payload,
                row,
                self._nodes,
                self._names,
                room,
                verdicts,
                self._unknown,
                self._stack,
                self._closings,
                scratch,
                cursor,
            )

        return self._filler.decode(values, fill, scratch_bytes=2 * size)
