"""From descriptors, as protoc writes them, to the messages of a file and their shapes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loader.errors import ConfigError, UnusableSchema
from loader.formats.protobuf import kinds
from loader.formats.protobuf.shapes import FieldShape, Form, MessageShape
from loader.values.column_types import MAX_DEPTH

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.descriptor_pb2 import DescriptorProto

MAX_COLUMNS = 5_000
"""With those within structs. Messages that name others several times can stand for billions."""

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

_WRAPPERS = {
    f"google.protobuf.{name}Value"
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
}
_ANYTHING = {f"google.protobuf.{name}" for name in ("Struct", "Value", "ListValue")}


_FORMS = {
    "google.protobuf.Timestamp": Form.MOMENT,
    "google.protobuf.Duration": Form.DURATION,
    **dict.fromkeys(_WRAPPERS, Form.WRAPPER),
}


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
