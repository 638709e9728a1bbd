"""The five fields of W1's records as JSON, Avro and Protobuf, and the text typed outputs are compared by."""

import io
import json
from collections.abc import Callable
from typing import Any, Literal

import fastavro
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

Encoding = Literal["json", "avro", "protobuf"]

COLUMNS = {"id": "long", "user": "string", "city": "string", "amount": "double", "ts": "long"}
"""Name and type of each, as a job file names them."""

TEXT = '{"id":%d,"user":"%s","city":"%s","amount":%.2f,"ts":%d}'
TEXT_SQL = f"""printf('{TEXT}', id, "user", city, amount, ts)"""
"""A typed row in the text that its JSON value has, in DuckDB's SQL."""

AVRO_SCHEMA = {
    "type": "record",
    "name": "Payment",
    "fields": [{"name": name, "type": kind} for name, kind in COLUMNS.items()],
}
MESSAGE = "Payment"


def encoder(encoding: Encoding) -> Callable[[bytes], bytes]:
    """Makes a value of its JSON text."""
    if encoding == "avro":
        schema = fastavro.parse_schema(AVRO_SCHEMA)

        def to_avro(text: bytes) -> bytes:
            out = io.BytesIO()
            fastavro.schemaless_writer(out, schema, json.loads(text))
            return out.getvalue()

        return to_avro
    if encoding == "protobuf":
        message = _message()
        return lambda text: message(**json.loads(text)).SerializeToString()
    return lambda text: text


def text_reader(encoding: Encoding) -> Callable[[bytes], bytes | None]:
    """Makes the text of a value again; None of one that is broken."""
    if encoding == "avro":
        schema = fastavro.parse_schema(AVRO_SCHEMA)
        return lambda value: _text(fastavro.schemaless_reader(io.BytesIO(value), schema, None))
    if encoding == "protobuf":
        message = _message()

        def of_protobuf(value: bytes) -> bytes:
            found = message.FromString(value)
            return _text({name: getattr(found, name) for name in COLUMNS})

        return of_protobuf
    return lambda value: value if value.endswith(b"}") else None


def broken(text: bytes) -> bytes:
    """A text that is no JSON."""
    return text[:-5]


def descriptor_set() -> bytes:
    """What `protoc --descriptor_set_out` would write."""
    kinds = descriptor_pb2.FieldDescriptorProto
    types = {"long": kinds.TYPE_INT64, "string": kinds.TYPE_STRING, "double": kinds.TYPE_DOUBLE}
    file = descriptor_pb2.FileDescriptorProto(name="payment.proto", syntax="proto3")
    record = file.message_type.add(name=MESSAGE)
    for number, (name, kind) in enumerate(COLUMNS.items(), 1):
        record.field.add(name=name, number=number, type=types[kind], label=kinds.LABEL_OPTIONAL)
    return descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString()


def _message() -> type[Message]:
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set()).file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(MESSAGE))


def _text(record: Any) -> bytes:
    return (TEXT % tuple(record[name] for name in COLUMNS)).encode()
