"""The shapes of messages, and the types of their columns.

| Protobuf | column |
|---|---|
| int32, sint32, sfixed32 | int |
| int64, sint64, sfixed64, uint32, fixed32 | long |
| uint64, fixed64 | decimal(20, 0) |
| float, double, bool, string, bytes | float, double, boolean, string, binary |
| enum | string: the value's name; the number where the schema has no name for it |
| message | struct; one without fields: struct<present: boolean> |
| repeated, map | list, map |
| google.protobuf.Timestamp | timestamp, nanoseconds cut to microseconds |
| google.protobuf.Duration | long, in microseconds |
| google.protobuf.Int32Value and the other wrappers | what they wrap |

A field that tracks presence (`optional`, of a oneof, a message, any of proto2) is null where it is missing,
also where the schema gives it a default; every other one has the default of its type.
"""

from dataclasses import dataclass
from enum import Enum

from loader.formats.protobuf import kinds
from loader.values.column_types import (
    ColumnType,
    DecimalType,
    ListType,
    MapType,
    Primitive,
    StructType,
    TimestampType,
)

PRESENT = "present"
"""The one column of a message without fields: Parquet knows no struct without any."""

_COLUMN_OF_KIND: dict[int, ColumnType] = {
    **dict.fromkeys((kinds.INT32, kinds.SINT32, kinds.SFIXED32), Primitive("int")),
    **dict.fromkeys(
        (kinds.INT64, kinds.SINT64, kinds.SFIXED64, kinds.UINT32, kinds.FIXED32), Primitive("long")
    ),
    **dict.fromkeys((kinds.UINT64, kinds.FIXED64), DecimalType(20, 0)),
    kinds.BOOL: Primitive("boolean"),
    kinds.ENUM: Primitive("string"),
    kinds.FLOAT: Primitive("float"),
    kinds.DOUBLE: Primitive("double"),
    kinds.STRING: Primitive("string"),
    kinds.BYTES: Primitive("binary"),
}


class Form(Enum):
    """What a message becomes."""

    PLAIN = "struct"
    WRAPPER = "what it wraps"
    MOMENT = "timestamp"
    DURATION = "microseconds"


@dataclass(frozen=True, slots=True)
class FieldShape:
    """One field of a message.

    kind          of `kinds`
    label         SINGLE, LIST or MAP
    has_presence  whether a value that is missing differs from the default
    is_required   proto2's
    oneof         names the oneof it is a part of; "" for none
    enum          the names of its numbers, of an enum
    enum_default  the number that stands for one that is missing
    message       of a message; of a map its entries, which have a key and a value
    """

    name: str
    number: int
    kind: int
    label: int = kinds.SINGLE
    has_presence: bool = False
    is_required: bool = False
    oneof: str = ""
    enum: tuple[tuple[int, str], ...] = ()
    enum_default: int = 0
    message: "MessageShape | None" = None

    @property
    def column_type(self) -> ColumnType:
        """Of the whole field."""
        if self.label == kinds.MAP and self.message is not None:
            key, value = self.message.fields
            return MapType(key.column_type, value.column_type)
        of_one = self.message.column_type if self.message is not None else _COLUMN_OF_KIND[self.kind]
        return ListType(of_one) if self.label == kinds.LIST else of_one


@dataclass(frozen=True, slots=True)
class MessageShape:
    """A message with all that lies within."""

    full_name: str
    fields: tuple[FieldShape, ...]
    form: Form = Form.PLAIN

    @property
    def column_type(self) -> ColumnType:
        """Its fields in the order in which they are declared."""
        match self.form:
            case Form.MOMENT:
                return TimestampType()
            case Form.DURATION:
                return Primitive("long")
            case Form.WRAPPER:
                return self.fields[0].column_type
            case Form.PLAIN:
                fields = tuple((field.name, field.column_type) for field in self.fields)
                return StructType(fields or ((PRESENT, Primitive("boolean")),))
