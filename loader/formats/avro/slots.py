"""What a place in a value may hold: one type, or one of several, each with its column."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from loader.errors import UnusableSchema
from loader.formats.avro.schema import NO_DEFAULT, Array, AvroType, Enum, Map, Record, Simple, Union
from loader.values.column_types import (
    MAX_DEPTH,
    ColumnType,
    DecimalType,
    ListType,
    MapType,
    Primitive,
    StructType,
    TimestampType,
)

MAX_NODES = 5000
"""Of one value's columns with all that lies within: types that are named again and again multiply."""

PRESENT = Primitive("boolean")
"""Of what has no fields: true where it is there, null where it is not."""

_PLAIN = {"bytes": "binary", "fixed": "binary"}
_LOGICAL: dict[str, ColumnType] = {
    "date": Primitive("date"),
    "time-millis": Primitive("time"),
    "time-micros": Primitive("time"),
    "timestamp-millis": TimestampType(),
    "timestamp-micros": TimestampType(),
    "timestamp-nanos": TimestampType(),
    "local-timestamp-millis": Primitive("timestamp_ntz"),
    "local-timestamp-micros": Primitive("timestamp_ntz"),
    "local-timestamp-nanos": Primitive("timestamp_ntz"),
}


@dataclass(frozen=True, slots=True)
class Leaf:
    """A column without others in it."""

    type: ColumnType


@dataclass(frozen=True, slots=True)
class Elements:
    """What a list holds, or behind its keys a map."""

    slot: "Slot"
    is_map: bool


@dataclass(frozen=True, slots=True)
class SlotField:
    """A field of a record.

    names    its own, then its aliases
    type     of the schema that has its default
    default  as JSON has it, else NO_DEFAULT
    """

    names: tuple[str, ...]
    slot: "Slot"
    type: AvroType | None = None
    default: Any = NO_DEFAULT


@dataclass(frozen=True, slots=True)
class Fields:
    """What a record holds."""

    fields: tuple[SlotField, ...]

    def columns(self) -> list[SlotField]:
        """Those that become columns: a field that is always null has none."""
        return [each for each in self.fields if each.slot.branches]

    def place_of(self, name: str) -> int | None:
        """Where the field is that a writer calls so: by its name, else by its alias."""
        for number, each in enumerate(self.fields):
            if each.names[0] == name:
                return number
        return next((number for number, each in enumerate(self.fields) if name in each.names), None)


Content = Leaf | Elements | Fields


@dataclass(frozen=True, slots=True)
class Branch:
    """One type that a slot may hold, besides null.

    names  its own, in full, then its aliases
    """

    names: tuple[str, ...]
    content: Content


@dataclass(frozen=True, slots=True)
class Slot:
    """Nothing but null, or one type, or one of several: then the column is a struct of them."""

    branches: tuple[Branch, ...] = ()

    @property
    def is_union(self) -> bool:
        """Whether it holds one of several types."""
        return len(self.branches) > 1

    def branch_names(self) -> list[str]:
        """What the columns of the branches are called: `long`, `Order`; in full where that would be two."""
        short = [branch.names[0].rpartition(".")[2] for branch in self.branches]
        folded = [each.casefold() for each in short]
        return [
            branch.names[0] if folded.count(each.casefold()) > 1 else each
            for branch, each in zip(self.branches, short, strict=True)
        ]

    def branch_of(self, wanted: Branch) -> int | None:
        """Where a writer's type belongs: by full name, alias or name; else the first that holds it."""
        tests = (
            lambda own: own.names[0] == wanted.names[0],
            lambda own: wanted.names[0] in own.names,
            lambda own: own.names[0].rpartition(".")[2] == wanted.names[0].rpartition(".")[2],
            lambda own: _holds(own.content, wanted.content),
        )
        for test in tests:
            for number, own in enumerate(self.branches):
                if test(own):
                    return number
        return None


def _holds(own: Content, other: Content) -> bool:
    return (
        isinstance(own, Leaf) and isinstance(other, Leaf) and joined_leaves(own.type, other.type) == own.type
    )


def column_type_of(slot: Slot) -> ColumnType:
    """The type of a slot's column."""
    if not slot.branches:
        return PRESENT
    if not slot.is_union:
        return content_type_of(slot.branches[0].content)
    types = [content_type_of(branch.content) for branch in slot.branches]
    return StructType(tuple(zip(slot.branch_names(), types, strict=True)))


def content_type_of(content: Content) -> ColumnType:
    """The type of a column that holds nothing else."""
    match content:
        case Leaf(leaf_type):
            return leaf_type
        case Elements(slot, True):
            return MapType(Primitive("string"), column_type_of(slot))
        case Elements(slot):
            return ListType(column_type_of(slot))
        case Fields():
            columns = [(each.names[0], column_type_of(each.slot)) for each in content.columns()]
            return StructType(tuple(columns)) if columns else PRESENT


def slot_of(avro_type: AvroType, source: str) -> Slot:
    """The slot for values of a type. Raises UnusableSchema, which calls the type's schema `source`."""
    return _Builder(source).slot(avro_type, 0)


class _Builder:
    """Makes slots of types, and counts them."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._count = 0

    def slot(self, avro_type: AvroType, depth: int) -> Slot:
        """The slot of a type that lies within `depth` others."""
        self._count += 1
        if depth > MAX_DEPTH:
            raise UnusableSchema(f"{self._source}: types lie more than {MAX_DEPTH} deep")
        if self._count > MAX_NODES:
            raise UnusableSchema(
                f"{self._source}: has more than {MAX_NODES} columns, with those within others"
            )
        held = [each for each in _without_unions(avro_type) if not is_null(each)]
        below = depth + (2 if len(held) > 1 else 1)
        return Slot(tuple(self.branch(each, below) for each in held))

    def branch(self, avro_type: AvroType, depth: int) -> Branch:
        """The branch of a type that is neither null nor a union."""
        match avro_type:
            case Record(name, aliases, fields):
                made = [self._field(each, depth) for each in fields]
                return Branch((name, *aliases), Fields(tuple(made)))
            case Array(items):
                return Branch(("array",), Elements(self.slot(items, depth), False))
            case Map(values):
                return Branch(("map",), Elements(self.slot(values, depth), True))
            case Enum(name, aliases):
                return Branch((name, *aliases), Leaf(Primitive("string")))
            case Simple(name=name, aliases=aliases):
                return Branch((name, *aliases), Leaf(_leaf_type(avro_type)))
            case Union():
                raise AssertionError("unions within unions were joined")

    def _field(self, written: Any, depth: int) -> SlotField:
        return SlotField(
            (written.name, *written.aliases), self.slot(written.type, depth), written.type, written.default
        )


def branch_of_type(avro_type: AvroType) -> Branch:
    """The branch of a type that `slot_of` has taken, neither null nor a union."""
    return _Builder("").branch(avro_type, 0)


def _without_unions(avro_type: AvroType) -> Iterator[AvroType]:
    if isinstance(avro_type, Union):
        for each in avro_type.branches:
            yield from _without_unions(each)
    else:
        yield avro_type


def is_null(avro_type: AvroType) -> bool:
    """Whether it is the type of nothing but null."""
    return isinstance(avro_type, Simple) and avro_type.kind == "null"


def _leaf_type(simple: Simple) -> ColumnType:
    if simple.logical == "decimal":
        return DecimalType(simple.precision, simple.scale)
    return _LOGICAL.get(simple.logical) or Primitive(_PLAIN.get(simple.kind, simple.kind))


def without_names(slot: Slot) -> Slot:
    """The slot as one of an older schema: its aliases and defaults count for nothing."""
    return Slot(tuple(Branch(each.names[:1], _content_without_names(each.content)) for each in slot.branches))


def _content_without_names(content: Content) -> Content:
    match content:
        case Leaf():
            return content
        case Elements(slot):
            return replace(content, slot=without_names(slot))
        case Fields(fields):
            return Fields(tuple(SlotField(each.names[:1], without_names(each.slot)) for each in fields))


_TEXTS: set[ColumnType] = {Primitive("string"), Primitive("binary")}
_WIDER: dict[ColumnType, ColumnType] = {
    Primitive("int"): Primitive("long"),
    Primitive("float"): Primitive("double"),
}
_WHOLE: set[ColumnType] = {Primitive("int"), Primitive("long")}
_REAL: set[ColumnType] = {Primitive("float"), Primitive("double")}


def joined_leaves(newer: ColumnType, older: ColumnType) -> ColumnType | None:
    """The type that holds both; None where there is none."""
    if newer == older or _WIDER.get(older) == newer:
        return newer
    if _WIDER.get(newer) == older:
        return older
    if {newer, older} <= _TEXTS or (newer in _REAL and older in _WHOLE):
        return newer
    return None
