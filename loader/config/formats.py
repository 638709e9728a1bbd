"""What the keys and values of a topic are, and which columns they become."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from loader.config.section import Conflict, Section
from loader.values.column_types import (
    ColumnType,
    ListType,
    MapType,
    Primitive,
    StructType,
    parse_type,
)

Filled = Annotated[str, Field(min_length=1)]


def _column_types(columns: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse what is no type; a table within is a struct."""
    if not columns:
        raise ValueError("names no column")
    for name, written in columns.items():
        if not name:
            raise ValueError("a column without a name")
        if isinstance(written, Mapping):
            _column_types(written)
        elif isinstance(written, str):
            _check_keys(name, parse_type(written))
        else:
            raise ValueError(f'{name}: a type is a text like "long", or a table of fields')
    return columns


def _check_keys(name: str, column_type: ColumnType) -> None:
    """Refuse maps with keys that JSON does not have."""
    match column_type:
        case MapType(key, value):
            if key != Primitive("string"):
                raise ValueError(f"{name}: keys of a map are strings in JSON, not {key}")
            _check_keys(name, value)
        case ListType(element):
            _check_keys(name, element)
        case StructType(fields):
            for _, each in fields:
                _check_keys(name, each)


def struct_of(columns: Mapping[str, Any]) -> StructType:
    """The type that a table of `columns` spells, in the order in which it is written."""
    fields: list[tuple[str, ColumnType]] = [
        (name, struct_of(written) if isinstance(written, Mapping) else parse_type(written))
        for name, written in columns.items()
    ]
    return StructType(tuple(fields))


Columns = Annotated[dict[str, Any], AfterValidator(_column_types)]


class RawFormat(Section):
    """Bytes stay bytes."""

    format: Literal["raw"]
    """raw keeps the bytes as they are."""


class StringFormat(Section):
    """UTF-8 text."""

    format: Literal["string"]
    """string checks that the bytes are UTF-8, and gives one text column."""


class JsonFormat(Section):
    """A JSON object each."""

    format: Literal["json"]
    """json takes the fields that `columns` names from each object."""

    columns: Columns
    """Name and type of each field: "long", "timestamp(ms)", "decimal(10, 2)", "list<string>",
    "map<string, double>", "struct<sku: string, n: int>", or a table of fields. `kafka-loader infer`
    writes this for you."""

    unknown_fields: Literal["rest", "drop", "fail"] = "rest"
    """What becomes of fields that `columns` does not name: kept as JSON text in the column `_rest`, dropped,
    or the record goes to the quarantine."""


class AvroFormat(Section):
    """Avro, each value behind the id of its schema (Confluent's wire format), or all of one schema file."""

    format: Literal["avro"]
    """avro reads Confluent's wire format by the schema registry; or bare values by `schema_file`."""

    schema_file: Filled | None = None
    """A file with the Avro schema (.avsc) of values that have no id before them."""

    subject: Filled | None = None
    """The registry's subject whose versions give the columns. Without it: <topic>-value or <topic>-key."""

    def conflicts(self) -> Iterator[Conflict]:
        """A file and a subject."""
        if self.schema_file is not None and self.subject is not None:
            yield Conflict(
                ("schema_file", "subject"),
                "has schema_file and subject: values are either behind an id of the registry, or all of"
                " one file's schema",
            )


class ProtobufFormat(Section):
    """Protocol Buffers, behind the id of their schema (Confluent's wire format), or all of one message."""

    format: Literal["protobuf"]
    """protobuf reads Confluent's wire format by the schema registry; or bare messages by
    `descriptor_file`."""

    descriptor_file: Filled | None = None
    """A file of `protoc --include_imports --descriptor_set_out`, for messages that have no id before them."""

    message: Filled | None = None
    """The full name of the message type, like shop.Order: always with descriptor_file; with the registry, for
    another message than the first of the newest schema."""

    subject: Filled | None = None
    """The registry's subject whose versions give the columns. Without it: <topic>-value or <topic>-key."""

    def conflicts(self) -> Iterator[Conflict]:
        """A file without a message, or a file and a subject."""
        if self.descriptor_file is not None and self.message is None:
            yield Conflict(
                ("descriptor_file", "message"),
                "descriptor_file needs message: which of its messages the values are",
            )
        if self.descriptor_file is not None and self.subject is not None:
            yield Conflict(
                ("descriptor_file", "subject"),
                "has descriptor_file and subject: values are either behind an id of the registry, or all"
                " of one file's message",
            )


def needs_registry(config: Section) -> bool:
    """Whether values of this format name their schema by the registry's id."""
    match config:
        case AvroFormat():
            return config.schema_file is None
        case ProtobufFormat():
            return config.descriptor_file is None
        case _:
            return False


FormatConfig = Annotated[
    RawFormat | StringFormat | JsonFormat | AvroFormat | ProtobufFormat, Field(discriminator="format")
]
