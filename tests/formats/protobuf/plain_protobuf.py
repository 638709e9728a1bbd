"""What a message is in columns, by Google's runtime and a walk along its descriptors."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WRAPPERS = {f"google.protobuf.{each}Value" for each in ("Int64", "UInt64", "String", "Bool", "Float")}


class Unlike(Exception):
    """Google's runtime for Python is alone with what it makes of the bytes.

    It leaves out an entry of a map that has a field besides key and value; other readers ignore the field.
    """


class Bad(Exception):
    """The bytes are no such message, or one that no column holds."""


def read(message_class: type[Message], octets: bytes) -> Any:
    """Its columns. Raises Bad, and Unlike."""
    try:
        message = message_class.FromString(octets)
        if not message.IsInitialized():
            raise Bad("a required field is missing")
        return _struct(message)
    except DecodeError as error:
        raise Bad(str(error)) from None


def _struct(message: Any) -> Any:
    fields = message.DESCRIPTOR.fields
    unknown = {each.field_number for each in _unknown(message) if each.wire_type == 2}
    if any(field.number in unknown and _is_map(field) for field in fields):
        raise Unlike
    return {field.name: _field(message, field) for field in fields} if fields else {"present": True}


def _unknown(message: Any) -> Any:
    return UnknownFieldSet(message)


def _is_map(field: Any) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _field(message: Any, field: Any) -> Any:
    held = getattr(message, field.name)
    if _is_map(field):
        for key in held:
            _value(key, field.message_type.fields_by_name["key"])
        value_field = field.message_type.fields_by_name["value"]
        return {key: _value(held[key], value_field) for key in held}
    if field.is_repeated:
        return [_value(each, field) for each in held]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _value(held, field)


def _value(value: Any, field: Any) -> Any:
    if field.message_type is None:
        if field.enum_type is not None:
            known = field.enum_type.values_by_number.get(value)
            return known.name if known is not None else str(value)
        if isinstance(value, bytes) and field.type == FieldDescriptorProto.TYPE_STRING:
            raise Bad("text of proto2 that is no UTF-8 comes as bytes")
        return repr(value) if isinstance(value, float) else value
    name = field.message_type.full_name
    if name in WRAPPERS:
        return repr(value.value) if isinstance(value.value, float) else value.value
    if name == "google.protobuf.Timestamp":
        if not (-62135596800 <= value.seconds <= 253402300799 and 0 <= value.nanos < 10**9):
            raise Bad(f"no Timestamp: {value}")
        return EPOCH + timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)
    if name == "google.protobuf.Duration":
        if abs(value.seconds) > 315_576_000_000 or abs(value.nanos) >= 10**9:
            raise Bad(f"no Duration: {value}")
        if value.seconds * value.nanos < 0:
            raise Bad(f"two signs: {value}")
        return value.seconds * 10**6 + int(value.nanos / 1000)
    return _struct(value)


def held(column: pa.Array) -> list[Any]:
    """The values of a column in the same terms."""
    return [_held(value, column.type) for value in column.to_pylist()]


def _held(value: Any, arrow_type: pa.DataType) -> Any:
    if value is None:
        return None
    if pa.types.is_struct(arrow_type):
        return {field.name: _held(value[field.name], field.type) for field in arrow_type}
    if pa.types.is_map(arrow_type):
        entries = {key: _held(each, arrow_type.item_type) for key, each in value}
        assert len(entries) == len(value), "a key is there twice"
        return entries
    if pa.types.is_list(arrow_type):
        return [_held(each, arrow_type.value_type) for each in value]
    return repr(value) if isinstance(value, float) else value
