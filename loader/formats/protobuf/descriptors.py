"""From descriptors, as protoc writes them, to the shapes of messages and the types of their columns.

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

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from loader.errors import ConfigError, UnusableSchema
from loader.formats.protobuf import kinds
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

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.descriptor_pb2 import DescriptorProto

MAX_COLUMNS = 5_000
"""With those within structs. Messages that name others several times can stand for billions."""

PRESENT = "present"
"""The one column of a message without fields: Parquet knows no struct without any."""

_KIND_OF_TYPE = {
    1: kinds.DOUBLE,
    2: kinds.FLOAT,
    3: kinds.INT64,
    4: kinds.UINT64,
    5: kinds.INT32,
    6: kinds.FIXED64,
    7: kinds.FIXED32,
    8: kinds.BOOL,
    9: kinds.STRING,
    11: kinds.MESSAGE,
    12: kinds.BYTES,
    13: kinds.UINT32,
    14: kinds.ENUM,
    15: kinds.SFIXED32,
    16: kinds.SFIXED64,
    17: kinds.SINT32,
    18: kinds.SINT64,
}
"""By FieldDescriptor.type; 10 is a group."""

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

_WRAPPERS = {
    f"google.protobuf.{name}Value"
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
}
_ANYTHING = {f"google.protobuf.{name}" for name in ("Struct", "Value", "ListValue")}


class Form(Enum):
    """What a message becomes."""

    PLAIN = "struct"
    WRAPPER = "what it wraps"
    MOMENT = "timestamp"
    DURATION = "microseconds"


_FORMS = {
    "google.protobuf.Timestamp": Form.MOMENT,
    "google.protobuf.Duration": Form.DURATION,
    **dict.fromkeys(_WRAPPERS, Form.WRAPPER),
}


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


@dataclass(frozen=True, slots=True)
class MessageTree:
    """The messages of one file by their indexes, as Confluent's wire format counts them.

    names   of each message, of an outer one before those within; those of one parent follow each other
    firsts  where the messages within each begin, in `names`
    counts  how many there are; the entries of maps, which a .proto file does not spell, are not counted
    """

    names: tuple[str, ...]
    top_count: int
    firsts: tuple[int, ...]
    counts: tuple[int, ...]


class Descriptors:
    """One descriptor set, with all files that its own file imports."""

    def __init__(self, descriptor_set: bytes, source: str) -> None:
        """Read the set.

        source  what messages call it: `schema 7 of the registry`

        Raises UnusableSchema, and ConfigError where Google's runtime is not installed.
        """
        try:
            from google.protobuf.descriptor_pb2 import FileDescriptorSet
            from google.protobuf.descriptor_pool import DescriptorPool
            from google.protobuf.message import DecodeError
        except ImportError:
            raise ConfigError(
                [
                    "Protobuf values need Google's runtime, which is not installed:"
                    " pip install 'kafka-hadoop-loader[formats]'"
                ]
            ) from None
        self._source = source
        self._pool = DescriptorPool()
        try:
            self._files = {each.name: each for each in FileDescriptorSet.FromString(descriptor_set).file}
            for each in self._files.values():
                self._pool.Add(each)
        except (DecodeError, TypeError, ValueError) as error:
            raise UnusableSchema(
                f"{source} is no whole set of Protobuf descriptors: {error}. It must hold all imports,"
                " each before the file that imports it, as protoc --include_imports writes them"
            ) from error

    def own_messages(self, file: str) -> MessageTree:
        """The messages of one file; of the last, which nothing else imports, where it has no name here."""
        file = file or next(reversed(self._files), "")
        if file not in self._files:
            raise UnusableSchema(f"{self._source} holds no file {file!r}")
        proto = self._files[file]
        prefix = f"{proto.package}." if proto.package else ""
        waiting: list[tuple[str, DescriptorProto]] = [
            (prefix + each.name, each) for each in proto.message_type
        ]
        top_count = len(waiting)
        names: list[str] = []
        firsts: list[int] = []
        counts: list[int] = []
        for name, message in waiting:  # it grows while it is walked
            inner = [each for each in message.nested_type if not each.options.map_entry]
            names.append(name)
            firsts.append(len(waiting))
            counts.append(len(inner))
            waiting += [(f"{name}.{each.name}", each) for each in inner]
        return MessageTree(tuple(names), top_count, tuple(firsts), tuple(counts))

    def shape(self, message: str) -> MessageShape:
        """What lies within a message of this full name. Raises UnusableSchema where it has no columns."""
        try:
            descriptor = self._pool.FindMessageTypeByName(message)
        except KeyError:
            known = [name for file in self._files for name in self.own_messages(file).names]
            listed = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
            raise UnusableSchema(f"{self._source} has no message {message!r}; it has {listed}") from None
        shape = _Shapes(self._source).root(descriptor)
        if not shape.fields:
            raise UnusableSchema(f"{self._source}: message {message} has no fields, so there are no columns")
        return shape


class _Shapes:
    """Walks one message down to its scalars."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._count = 0

    def root(self, descriptor: "Descriptor") -> MessageShape:
        return MessageShape(
            descriptor.full_name,
            tuple(self._fields(descriptor, descriptor.full_name, (descriptor.full_name,))),
        )

    def _message(self, descriptor: "Descriptor", path: str, around: tuple[str, ...]) -> MessageShape:
        name = descriptor.full_name
        if name in _ANYTHING:
            raise self._refused(path, f"{name} may hold anything, which no type of a column says")
        if name in around:
            raise self._refused(path, f"message {name} holds itself, which no type of a column does")
        if len(around) >= MAX_DEPTH:
            raise self._refused(path, f"messages lie more than {MAX_DEPTH} deep")
        form = _FORMS.get(name, Form.PLAIN)
        fields = tuple(self._fields(descriptor, path, (*around, name)))
        if form in (Form.MOMENT, Form.DURATION):
            kind_of = {1: kinds.SECONDS, 2: kinds.NANOS}
            fields = tuple(FieldShape(each.name, each.number, kind_of[each.number]) for each in fields)
        return MessageShape(name, fields, form)

    def _fields(self, descriptor: "Descriptor", path: str, around: tuple[str, ...]) -> Iterator[FieldShape]:
        for field in descriptor.fields:
            self._count += 1
            if self._count > MAX_COLUMNS:
                raise self._refused(path, f"with it there are more than {MAX_COLUMNS} columns")
            yield self._field(field, f"{path}.{field.name}", around)

    def _field(self, field: "FieldDescriptor", path: str, around: tuple[str, ...]) -> FieldShape:
        kind = _KIND_OF_TYPE.get(field.type)
        if kind is None:
            raise self._refused(path, "it is a group, which this loader does not read; make it a message")
        inner = None
        label = kinds.LIST if field.is_repeated else kinds.SINGLE
        inner_type = field.message_type
        if inner_type is not None:
            if inner_type.GetOptions().map_entry:
                label = kinds.MAP
                inner = MessageShape(inner_type.full_name, tuple(self._fields(inner_type, path, around)))
            else:
                inner = self._message(inner_type, path, around)
        oneof = field.containing_oneof
        return FieldShape(
            field.name,
            field.number,
            kind,
            label,
            has_presence=field.has_presence,
            is_required=field.is_required,
            oneof=oneof.name if oneof is not None and len(oneof.fields) > 1 else "",
            enum=_names(field),
            enum_default=field.default_value if kind == kinds.ENUM and label == kinds.SINGLE else 0,
            message=inner,
        )

    def _refused(self, path: str, problem: str) -> UnusableSchema:
        return UnusableSchema(f"{self._source}: {path}: {problem}. Nothing of its topics was committed.")


def _names(field: "FieldDescriptor") -> tuple[tuple[int, str], ...]:
    """The first name of each number: an alias is another name for the same."""
    if field.enum_type is None:
        return ()
    names: dict[int, str] = {}
    for value in field.enum_type.values:
        names.setdefault(value.number, value.name)
    return tuple(sorted(names.items()))
