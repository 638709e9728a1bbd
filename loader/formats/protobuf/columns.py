"""Which message of each schema the values of a topic are, and the columns that hold all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import pyarrow as pa

from loader.errors import SchemaChanged, UnusableSchema
from loader.formats.arrow_types import from_arrow, to_arrow
from loader.formats.evolution import merged
from loader.formats.protobuf.descriptors import Descriptors, MessageTree
from loader.formats.protobuf.shapes import MessageShape
from loader.values.column_types import StructType

BARE_ID = -1
"""Of the schema of messages that carry no id."""


@dataclass(frozen=True, slots=True)
class CompiledSchema:
    """One schema of the registry, as protoc compiles it.

    descriptor_set  with all imports, each before the file that imports it
    file            name of the file that is the schema itself; empty for the last of the set
    """

    schema_id: int
    descriptor_set: bytes
    file: str = ""

    def __str__(self) -> str:
        return "the descriptor file" if self.schema_id == BARE_ID else f"schema id {self.schema_id}"


@dataclass(frozen=True, slots=True)
class Version:
    """One schema, and the message of it that becomes columns; None where it has no such."""

    schema_id: int
    tree: MessageTree
    shape: MessageShape | None


@dataclass(frozen=True, slots=True)
class Columns:
    """Those of a topic.

    message      the full name of the message they are made of, by its newest schema
    versions     oldest first
    column_type  fields of the newest version in its order, then those that only older ones have
    """

    message: str
    versions: tuple[Version, ...]
    column_type: StructType

    def holds(self, shape: MessageShape) -> bool:
        """Whether a message fits as well."""
        own = _schema_of(self.column_type)
        try:
            return bool(merged(own, _schema_of(shape.column_type), "") == own)
        except SchemaChanged:
            return False


def columns_of(schemas: Sequence[CompiledSchema], message: str | None) -> Columns:
    """The columns of all versions of a subject, oldest first.

    message  the full name of the message; None for the first in the newest schema. A schema without it gives
             its own first message then, and none where it was asked for by name

    Raises UnusableSchema where there is none, and for versions that no columns hold all of.
    """
    newest = schemas[-1]
    names = Descriptors(newest.descriptor_set, str(newest)).own_messages(newest.file).names
    if message is None and not names:
        raise UnusableSchema(f"{newest} has no message, so there are no columns")
    wanted = message or names[0]
    versions = tuple(version_of(each, wanted, or_first=message is None) for each in schemas)
    found = [each for each in versions if each.shape is not None]
    if not found:
        raise UnusableSchema(
            f"{newest} has no message {wanted!r}, nor has an older one; it has {', '.join(names[:20])}"
        )
    return Columns(wanted, versions, _joined(found))


def version_of(schema: CompiledSchema, message: str, *, or_first: bool = False) -> Version:
    """The message of one schema, or the first in its place."""
    descriptors = Descriptors(schema.descriptor_set, str(schema))
    # A message without an id may be one of an import as well: no index has to lead to it.
    if schema.schema_id == BARE_ID:
        return Version(BARE_ID, descriptors.own_messages(schema.file), descriptors.shape(message))
    tree = descriptors.own_messages(schema.file)
    if message not in tree.names and or_first and tree.names:
        message = tree.names[0]
    return Version(schema.schema_id, tree, descriptors.shape(message) if message in tree.names else None)


def _joined(versions: Sequence[Version]) -> StructType:
    schemas = [_schema_of(each.shape.column_type) for each in versions if each.shape is not None]
    try:
        joined = None
        for each in reversed(schemas):
            joined = merged(joined, each, "")
    except SchemaChanged as error:
        problem = f"column {error.path}: {error.problem}"
        ids = [each.schema_id for each in versions]
        for (older, before), (newer, after) in combinations(zip(ids, schemas, strict=True), 2):
            try:
                merged(before, after, "")
            except SchemaChanged as change:
                problem = f"column {change.path}, of schema ids {older} and {newer}: {change.problem}"
                break
        raise UnusableSchema(
            f"{problem}. Fields may be added, int become long, and float become double. Nothing was read or"
            " committed."
        ) from None
    column_type = from_arrow(pa.struct(list(joined or ())))
    assert isinstance(column_type, StructType)  # noqa: S101 - it was made of structs
    return column_type


def _schema_of(column_type: object) -> pa.Schema:
    assert isinstance(column_type, StructType)  # noqa: S101 - a root is never a Timestamp or a wrapper
    return pa.schema(list(to_arrow(column_type)))
