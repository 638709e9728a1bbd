"""Decodes Avro values of several writers' schemas into one set of columns."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loader.errors import SchemaNotPlanned, UnusableSchema
from loader.formats.arrow_types import to_arrow
from loader.formats.avro.columns import fits
from loader.formats.avro.instructions import Instruction, Pool, code_of, moved
from loader.formats.avro.kernel import ID_BYTES, read_ids, read_values
from loader.formats.avro.problems import PROBLEMS, UNKNOWN_SCHEMA_ID
from loader.formats.avro.program import program_of
from loader.formats.avro.schema import parse_schema
from loader.formats.avro.slots import Slot, column_type_of, slot_of
from loader.formats.filling import Filler, Payload, Verdicts, payload_of
from loader.formats.nodes import nodes_of
from loader.formats.protocol import MOST_UNKNOWN_IDS, DecodedValues, SchemaSource
from loader.formats.room import Room
from loader.records.compilation import ensure_compiled
from loader.values.schemas import RegisteredSchema

NO_ID = -1
UNKNOWN = -1


class AvroDecoder:
    """Decodes the values of a topic.

    columns  which values of all schemas fit into
    known    the schemas they are written in; the first that of all where `has_ids` is false
    source   is asked for other ids
    """

    def __init__(
        self, columns: Slot, known: tuple[RegisteredSchema, ...], source: SchemaSource, *, has_ids: bool
    ) -> None:
        ensure_compiled("loader.formats", "loader.formats.avro")
        self._columns = columns
        self._type = column_type_of(columns)
        self._nodes = nodes_of(self._type)
        self._filler = Filler(self._type, PROBLEMS)
        self._source = source
        self._has_ids = has_ids
        self._pool = Pool()
        self._instructions: list[Instruction] = []
        self._list_depth = 1
        self._code = code_of(())
        self._begins: dict[int, int] = {}
        self._unknown_count = 0
        for schema in known:
            self._add(schema, f"schema id {schema.schema_id}")

    @property
    def column_type(self) -> pa.DataType:
        """As of the spec."""
        return to_arrow(self._type)

    def decode(self, values: pa.BinaryArray) -> DecodedValues:
        """Decode a column.

        Raises SchemaNotPlanned where a value's schema has what no column holds, and RegistryUnavailable.
        """
        count = len(values)
        early = Verdicts(*(np.zeros(count, np.int32) for _ in range(3)))
        ids = np.full(count, NO_ID, np.int32)
        begins = np.zeros(count, np.int64)
        if self._has_ids:
            read_ids(payload_of(values), ids, early)
            begins = self._begins_of(ids)
            early.codes[(begins == UNKNOWN) & (ids != NO_ID)] = UNKNOWN_SCHEMA_ID
        texts = np.frombuffer(self._pool.data(), np.uint8)
        frames = np.empty((self._list_depth, 2), np.int64)

        def fill(
            room: Room, payload: Payload, row: int, verdicts: Verdicts, scratch: NDArray[np.uint8]
        ) -> tuple[int, int]:
            if row == 0:
                scratch[: len(texts)] = texts
                verdicts.codes[:] = early.codes
            id_bytes = ID_BYTES if self._has_ids else 0
            return read_values(
                payload, row, id_bytes, begins, self._code, frames, self._nodes, room, verdicts
            )

        return self._filler.decode(values, fill, scratch_bytes=len(texts), schema_ids=ids)

    def _begins_of(self, ids: NDArray[np.int32]) -> NDArray[np.int64]:
        """Where each value's program begins."""
        if len(ids) and (ids == ids[0]).all():  # without sorting them
            return np.full(len(ids), self._begin_of(int(ids[0])), np.int64)
        found, which = np.unique(ids, return_inverse=True)
        begins = [self._begin_of(each) for each in found.tolist()]
        return np.array(begins, np.int64)[which]

    def _begin_of(self, schema_id: int) -> int:
        if schema_id == NO_ID:
            return UNKNOWN
        if schema_id not in self._begins:
            if self._unknown_count == MOST_UNKNOWN_IDS:
                return UNKNOWN
            schema = self._source.schema(schema_id)
            if schema is None or schema.schema_type != "AVRO":
                self._unknown_count += 1
                self._begins[schema_id] = UNKNOWN
            else:
                self._add_unplanned(schema)
        return self._begins[schema_id]

    def _add_unplanned(self, schema: RegisteredSchema) -> None:
        """A schema that the driver did not know, but whose values fit into the columns."""
        name = f"schema id {schema.schema_id}"
        try:
            fitting = fits(self._columns, slot_of(parse_schema(schema.text, name, schema.references), name))
        except UnusableSchema as error:
            raise SchemaNotPlanned(schema.schema_id, f": {error}") from error
        if not fitting:
            raise SchemaNotPlanned(schema.schema_id)
        self._add(schema, name)

    def _add(self, schema: RegisteredSchema, name: str) -> None:
        begin = len(self._instructions)
        program = program_of(
            parse_schema(schema.text, name, schema.references), self._columns, self._pool, name
        )
        self._instructions += moved(program.instructions, begin)
        self._list_depth = max(self._list_depth, program.list_depth)
        self._code = code_of(self._instructions)
        self._begins[schema.schema_id] = begin
