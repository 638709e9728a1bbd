"""Avro schemas, parsed: named types looked up, logical types checked, and none that holds itself."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from loader.errors import UnusableSchema
from loader.values.column_types import MAX_PRECISION
from loader.values.schemas import SchemaReference

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")

LOGICAL_TYPES = {
    "date": "int",
    "time-millis": "int",
    "time-micros": "long",
    "timestamp-millis": "long",
    "timestamp-micros": "long",
    "timestamp-nanos": "long",
    "local-timestamp-millis": "long",
    "local-timestamp-micros": "long",
    "local-timestamp-nanos": "long",
}
"""Those that give a column another type, by what they may stand on. An unknown one, and one on another type,
is as if it were not there: Avro asks readers for that. Decimals have digits and are told apart."""


class _Nothing:
    """No default: None is one."""

    def __repr__(self) -> str:
        return "NO_DEFAULT"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Nothing)

    def __hash__(self) -> int:
        return 0


NO_DEFAULT = _Nothing()


@dataclass(frozen=True, slots=True)
class Simple:
    """A primitive type, or a fixed number of bytes.

    kind       one of PRIMITIVES, or `fixed`
    logical    one of LOGICAL_TYPES, `decimal`, or empty
    name       the full name of a fixed, else the kind
    size       bytes of a fixed
    precision  digits of a decimal
    scale      those behind the point
    """

    kind: str
    logical: str = ""
    name: str = ""
    aliases: tuple[str, ...] = ()
    size: int = 0
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True, slots=True)
class Enum:
    """One of some words."""

    name: str
    aliases: tuple[str, ...]
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Array:
    """Any number of one type."""

    items: "AvroType"


@dataclass(frozen=True, slots=True)
class Map:
    """Texts, each with a value of one type."""

    values: "AvroType"


@dataclass(frozen=True, slots=True)
class Union:
    """A value of one of the types, told by its number."""

    branches: "tuple[AvroType, ...]"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record. `default` as JSON has it, else NO_DEFAULT."""

    name: str
    aliases: tuple[str, ...]
    type: "AvroType"
    default: Any = NO_DEFAULT


@dataclass(frozen=True, slots=True)
class Record:
    """Named fields in the order in which values have them."""

    name: str
    aliases: tuple[str, ...]
    fields: tuple[Field, ...]


AvroType = Simple | Enum | Array | Map | Union | Record


def parse_schema(text: str, source: str, references: Sequence[SchemaReference] = ()) -> AvroType:
    """The type that a schema's text says.

    source      what the schema is called in an error: `schema id 7`
    references  types it names without defining them; each before those that name it

    Raises UnusableSchema.
    """
    parser = _Parser(source)
    for reference in references:
        parser.parse(reference.text)
    return parser.parse(text)


class _Parser:
    """Parses texts that share their named types."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._named: dict[str, AvroType] = {}
        self._open: set[str] = set()
        self._path: list[str] = []

    def parse(self, text: str) -> AvroType:
        """One text."""
        try:
            return self._type(self._loaded(text), "")
        except RecursionError:
            raise UnusableSchema(f"{self._source}: types lie too deep within each other") from None

    def _loaded(self, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            bare = text.strip()
            if bare in PRIMITIVES:  # registries take a primitive's name without quotes
                return bare
            raise UnusableSchema(f"{self._source}: is no JSON: {error}") from error

    def _wrong(self, problem: str) -> UnusableSchema:
        where = f", field {'.'.join(self._path)}" if self._path else ""
        return UnusableSchema(f"{self._source}{where}: {problem}")

    @contextmanager
    def _within(self, name: str) -> Iterator[None]:
        self._path.append(name)
        yield
        self._path.pop()

    def _type(self, written: Any, namespace: str) -> AvroType:
        match written:
            case str():
                return self._by_name(written, namespace)
            case list():
                return Union(tuple(self._type(each, namespace) for each in written))
            case {"type": dict() | list() as inner}:
                return self._type(inner, namespace)
            case {"type": "record" | "error"}:
                return self._record(written, namespace)
            case {"type": "enum"}:
                return self._enum(written, namespace)
            case {"type": "fixed"}:
                return self._fixed(written, namespace)
            case {"type": "array", "items": items}:
                return Array(self._type(items, namespace))
            case {"type": "map", "values": values}:
                return Map(self._type(values, namespace))
            case {"type": str(name)} if name in PRIMITIVES:
                return self._with_logical(Simple(name, name=name), written)
            case {"type": str(name)} if name not in ("array", "map"):
                return self._by_name(name, namespace)
            case _:
                raise self._wrong(f"{json.dumps(written)[:80]} is no Avro type")

    def _by_name(self, name: str, namespace: str) -> AvroType:
        if name in PRIMITIVES:
            return Simple(name, name=name)
        for full_name in (_full_name(name, namespace), name):
            if full_name in self._open:
                raise self._wrong(
                    f"the type {full_name} holds itself, and Parquet has no columns for such types. Load the"
                    " topic with format raw"
                )
            if full_name in self._named:
                return self._named[full_name]
        raise self._wrong(f"the type {name} is defined nowhere before")

    def _names(self, written: Mapping[str, Any], namespace: str) -> tuple[str, tuple[str, ...], str]:
        """Full name, aliases and the namespace for what lies within."""
        name = written.get("name")
        if not isinstance(name, str) or not name:
            raise self._wrong(f"a type {written['type']} has no name")
        given = written.get("namespace")
        full_name = _full_name(name, given if isinstance(given, str) else namespace)
        within = full_name.rpartition(".")[0]
        aliases = tuple(_full_name(alias, within) for alias in _texts(written.get("aliases")))
        return full_name, aliases, within

    def _record(self, written: Mapping[str, Any], namespace: str) -> Record:
        name, aliases, within = self._names(written, namespace)
        fields = written.get("fields")
        if not isinstance(fields, list):
            raise self._wrong(f"the record {name} has no list of fields")
        was_open = name in self._open
        self._open.add(name)
        record = Record(name, aliases, tuple(self._field(each, within) for each in fields))
        if not was_open:
            self._open.discard(name)
        names = [field.name for field in record.fields]
        if len(set(names)) < len(names):
            raise self._wrong(f"the record {name} names a field twice")
        self._named[name] = record
        return record

    def _field(self, written: Any, namespace: str) -> Field:
        match written:
            case {"name": str(name), "type": written_type}:
                with self._within(name):
                    field_type = self._type(written_type, namespace)
                aliases = _texts(written.get("aliases"))
                return Field(name, aliases, field_type, written.get("default", NO_DEFAULT))
            case _:
                raise self._wrong(f"{json.dumps(written)[:80]} is no field with name and type")

    def _enum(self, written: Mapping[str, Any], namespace: str) -> Enum:
        name, aliases, _ = self._names(written, namespace)
        symbols = written.get("symbols")
        if not isinstance(symbols, list) or not all(isinstance(each, str) for each in symbols):
            raise self._wrong(f"the enum {name} has no list of symbols")
        found = Enum(name, aliases, tuple(symbols))
        self._named[name] = found
        return found

    def _fixed(self, written: Mapping[str, Any], namespace: str) -> Simple:
        name, aliases, _ = self._names(written, namespace)
        size = written.get("size")
        if not isinstance(size, int) or size < 0:
            raise self._wrong(f"the fixed {name} has no size")
        found = self._with_logical(Simple("fixed", name=name, aliases=aliases, size=size), written)
        self._named[name] = found
        return found

    def _with_logical(self, bare: Simple, written: Mapping[str, Any]) -> Simple:
        logical = written.get("logicalType")
        changes: dict[str, Any] = {}
        if isinstance(logical, str) and LOGICAL_TYPES.get(logical) == bare.kind:
            changes = {"logical": logical}
        elif logical == "decimal" and bare.kind in ("bytes", "fixed"):
            with suppress(ValueError):
                changes = _decimal(written)
        return Simple(bare.kind, changes.pop("logical", ""), bare.name, bare.aliases, bare.size, **changes)


def _decimal(written: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a decimal. Raises ValueError for digits no column has: the bytes are kept as they are."""
    precision, scale = written.get("precision"), written.get("scale", 0)
    if not isinstance(precision, int) or not isinstance(scale, int):
        raise ValueError("no digits")
    if not (0 <= scale <= precision and 1 <= precision <= MAX_PRECISION):
        raise ValueError("too many digits")
    return {"logical": "decimal", "precision": precision, "scale": scale}


def _full_name(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _texts(written: Any) -> tuple[str, ...]:
    return tuple(each for each in written if isinstance(each, str)) if isinstance(written, list) else ()
