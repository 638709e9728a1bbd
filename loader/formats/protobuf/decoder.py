"""Decodes messages of several schemas into one set of columns."""

import secrets
from itertools import accumulate

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loader.errors import ConfigError, SchemaNotPlanned, UnusableSchema
from loader.formats.arrow_types import to_arrow
from loader.formats.filling import Filler, Payload, Problem, Verdicts, payload_of
from loader.formats.nodes import nodes_of
from loader.formats.protobuf.columns import Columns, CompiledSchema, Version, version_of
from loader.formats.protobuf.descriptors import MessageTree
from loader.formats.protobuf.framing import Schemas, open_frames
from loader.formats.protobuf.keys import without_repeated_keys
from loader.formats.protobuf.messages import fill_messages
from loader.formats.protobuf.problems import (
    OTHER_MESSAGE,
    OTHER_SCHEMA_TYPE,
    PROBLEMS,
    UNKNOWN_SCHEMA_ID,
)
from loader.formats.protobuf.shapes import MessageShape
from loader.formats.protobuf.tables import tables_of
from loader.formats.protobuf.work import (
    MORE_SLOTS,
    REPEATED_KEYS,
    TEXT_BYTES_FOR_ONE,
    new_work,
    with_twice_the_slots,
)
from loader.formats.protocol import MOST_UNKNOWN_IDS, DecodedValues, SchemaSource
from loader.formats.room import Room
from loader.records.compilation import ensure_compiled
from loader.values.schemas import RegisteredSchema

_NO_MESSAGES = MessageTree((), 0, (), ())


class ProtobufDecoder:
    """Decodes the values of a topic.

    columns  which values of all schemas fit into
    source   is asked for ids of schemas that the columns are not made of
    has_ids  whether values have ids; else all are of the one schema there is
    """

    def __init__(self, columns: Columns, source: SchemaSource, *, has_ids: bool) -> None:
        ensure_compiled("loader.formats", "loader.formats.protobuf")
        self._columns = columns
        self._type = columns.column_type
        self._nodes = nodes_of(self._type)
        self._source = source
        self._has_ids = has_ids
        self._versions = {each.schema_id: each for each in columns.versions}
        self._faults: dict[int, int] = {}
        self._problems: dict[int, Problem] = dict(PROBLEMS)
        self._filler = Filler(self._type, self._problems)
        self._others: dict[str, int] = {}
        self._seed = secrets.randbits(62)
        self._prepare()

    @property
    def column_type(self) -> pa.DataType:
        """As of the spec."""
        return to_arrow(self._type)

    def decode(self, values: pa.BinaryArray) -> DecodedValues:
        """Decode a column.

        Raises SchemaNotPlanned where a value's schema has what no column holds, and RegistryUnavailable.
        """
        payload = payload_of(values)
        early = Verdicts(*(np.zeros(len(values), np.int32) for _ in range(3)))
        ids = np.full(len(values), -1, np.int32)
        if self._has_ids:
            roots, bodies = self._open_frames(payload, early, ids)
        else:
            roots, bodies = np.zeros(len(values), np.int32), payload.offsets[:-1]
        payload_bytes = int(payload.offsets[-1]) - int(payload.offsets[0])
        self._work = new_work(roots, bodies, self._nodes, self._tables, payload_bytes)
        letters = self._tables.letters
        rooms: list[Room] = []
        number_bytes = TEXT_BYTES_FOR_ONE * payload_bytes if len(letters) else 0

        def fill(
            room: Room, payload: Payload, row: int, verdicts: Verdicts, scratch: NDArray[np.uint8]
        ) -> tuple[int, int]:
            if row == 0:
                scratch[: len(letters)] = letters
                verdicts.codes[:] = early.codes
                verdicts.places[:] = early.places
            rooms[:] = [room]
            while True:
                row, full_node = fill_messages(
                    room, self._nodes, payload, row, verdicts, scratch, self._tables, self._work, self._seed
                )
                if full_node != MORE_SLOTS:
                    return row, full_node
                self._work = with_twice_the_slots(self._work)

        found = self._filler.decode(values, fill, scratch_bytes=len(letters) + number_bytes, schema_ids=ids)
        if not self._work.counters[REPEATED_KEYS]:
            return found
        return DecodedValues(without_repeated_keys(found.column, self._nodes, rooms[0]), found.bad)

    def _open_frames(
        self, payload: Payload, verdicts: Verdicts, ids: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """By which row of the tables each value is read, and where its message starts."""
        count = len(ids)
        roots, bodies = np.empty((2, count), np.int32)
        unknown = np.empty(1, np.int64)
        while True:
            is_final = int(len(self._faults) >= MOST_UNKNOWN_IDS)
            if open_frames(payload, self._schemas, verdicts, ids, roots, bodies, unknown, is_final) == count:
                return roots, bodies
            self._learn(int(unknown[0]))

    def _learn(self, schema_id: int) -> None:
        """Ask for a schema that the driver did not know of."""
        schema = self._source.schema(schema_id)
        if schema is None:
            self._faults[schema_id] = UNKNOWN_SCHEMA_ID
        elif schema.schema_type != "PROTOBUF":
            self._faults[schema_id] = OTHER_SCHEMA_TYPE
        else:
            self._versions[schema_id] = self._unplanned(schema)
        self._prepare()

    def _unplanned(self, schema: RegisteredSchema) -> Version:
        """A schema whose values fit into the columns, or are no message of theirs."""
        try:
            compiled = CompiledSchema(schema.schema_id, self._source.descriptor_set(schema))
            version = version_of(compiled, self._columns.message)
        except (UnusableSchema, ConfigError) as error:
            raise SchemaNotPlanned(schema.schema_id, f": {error}") from error
        if version.shape is not None and not self._columns.holds(version.shape):
            raise SchemaNotPlanned(schema.schema_id)
        return version

    def _prepare(self) -> None:
        """Make what kernels read of what is known."""
        shapes: list[MessageShape] = []
        outcomes: list[int] = []
        ids = sorted({*self._versions, *self._faults})
        trees = []
        for schema_id in ids:
            version = self._versions.get(schema_id)
            trees.append(version.tree if version is not None else _NO_MESSAGES)
            if version is not None:
                outcomes += self._outcomes(version, len(shapes))
                shapes += [version.shape] if version.shape is not None else []
        self._tables = tables_of(shapes, self._type)
        firsts = list(accumulate((len(each.names) for each in trees), initial=0))
        inner = [at + first for tree, first in zip(trees, firsts, strict=False) for at in tree.firsts]
        counts = [count for tree in trees for count in tree.counts]
        self._schemas = Schemas(
            np.array(ids, np.int32),
            np.array([self._faults.get(each, 0) for each in ids], np.int32),
            np.array(firsts[:-1], np.int32),
            np.array([each.top_count for each in trees], np.int32),
            *(np.array(each, np.int32) for each in (inner, counts, outcomes)),
        )

    def _outcomes(self, version: Version, root: int) -> list[int]:
        """Of each message of a schema: by what it is read, or why it is not."""
        own = version.shape.full_name if version.shape is not None else None
        return [root if name == own else -self._other(name) for name in version.tree.names]

    def _other(self, name: str) -> int:
        """The problem of a message that the columns are not of."""
        if name not in self._others:
            self._others[name] = OTHER_MESSAGE + len(self._others)
            self._problems[self._others[name]] = Problem(
                "other-message", f"is a {name}, and the columns are those of {self._columns.message}"
            )
        return self._others[name]
