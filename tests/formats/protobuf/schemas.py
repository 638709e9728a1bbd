"""Files of random messages, random values of them, and what a wire may do to their bytes."""

import random
import struct
from collections.abc import Iterator
from typing import Any

from google.protobuf import duration_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

FIELD = FieldDescriptorProto
SCALARS = [
    *(FIELD.TYPE_DOUBLE, FIELD.TYPE_FLOAT, FIELD.TYPE_INT64, FIELD.TYPE_UINT64, FIELD.TYPE_INT32),
    *(FIELD.TYPE_FIXED64, FIELD.TYPE_FIXED32, FIELD.TYPE_BOOL, FIELD.TYPE_STRING, FIELD.TYPE_BYTES),
    *(FIELD.TYPE_UINT32, FIELD.TYPE_SFIXED32, FIELD.TYPE_SFIXED64, FIELD.TYPE_SINT32, FIELD.TYPE_SINT64),
]
KEYS = [each for each in SCALARS if each not in (FIELD.TYPE_DOUBLE, FIELD.TYPE_FLOAT, FIELD.TYPE_BYTES)]
KNOWN_FILES = [timestamp_pb2.DESCRIPTOR, duration_pb2.DESCRIPTOR, wrappers_pb2.DESCRIPTOR]
KNOWN_MESSAGES = [
    "Timestamp",
    "Duration",
    "Int64Value",
    "UInt64Value",
    "StringValue",
    "BoolValue",
    "FloatValue",
]
ENUM = {"ZERO": 0, "ONE": 1, "FAR": 1000, "BELOW": -7}


def descriptor_set(*files: FileDescriptorProto) -> bytes:
    """With all that the files may import."""
    known = [FileDescriptorProto.FromString(each.serialized_pb) for each in KNOWN_FILES]
    return FileDescriptorSet(file=[*known, *files]).SerializeToString()


def message_class(descriptors: bytes, name: str) -> type[Message]:
    """Google's class for a message."""
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(descriptors).file:
        pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(name))


def random_file(rnd: random.Random, syntax: str) -> FileDescriptorProto:
    """Messages M0, M1, …; each may hold those after it."""
    file = FileDescriptorProto(name="random.proto", package="r", syntax=syntax)
    file.dependency.extend(each.name for each in KNOWN_FILES)
    if syntax == "proto3":
        enum = file.enum_type.add(name="E")
        for name, number in ENUM.items():
            enum.value.add(name=name, number=number)
    count = rnd.randint(1, 4)
    for index in range(count):
        message = file.message_type.add(name=f"M{index}")
        held = [f".r.M{each}" for each in range(index + 1, count)]
        _add_fields(rnd, message, held, syntax, rnd.randint(0 if index else 1, 7))
    return file


def _add_fields(
    rnd: random.Random, message: DescriptorProto, held: list[str], syntax: str, count: int
) -> None:
    numbers = rnd.sample([*range(1, 20), 1023, 1024, 1025, 18999, 2**29 - 1], count)
    for index, number in enumerate(numbers):
        field = message.field.add(name=f"f{index}", number=number, label=FIELD.LABEL_OPTIONAL)
        _set_type(rnd, field, held, syntax)
        kind = rnd.choice(["plain", "plain", "list", "list", "map", "oneof", "oneof", "optional"])
        if kind == "list":
            field.label = FIELD.LABEL_REPEATED
            if (
                field.type not in (FIELD.TYPE_STRING, FIELD.TYPE_BYTES, FIELD.TYPE_MESSAGE)
                and rnd.random() < 0.5
            ):
                field.options.packed = rnd.random() < 0.5
        elif kind == "map":
            _make_map(rnd, message, field)
        elif kind == "oneof":
            if not message.oneof_decl:
                message.oneof_decl.add(name="choice")
            field.oneof_index = 0
        elif syntax == "proto2" and rnd.random() < 0.1:
            field.label = FIELD.LABEL_REQUIRED
    if syntax == "proto3":  # those that are synthetic come last
        for field in message.field:
            if (
                field.label == FIELD.LABEL_OPTIONAL
                and not field.HasField("oneof_index")
                and rnd.random() < 0.3
            ):
                field.proto3_optional = True
                field.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{field.name}")


def _set_type(rnd: random.Random, field: FieldDescriptorProto, held: list[str], syntax: str) -> None:
    roll = rnd.random()
    if held and roll < 0.35:
        field.type, field.type_name = FIELD.TYPE_MESSAGE, rnd.choice(held)
    elif roll < 0.5:
        field.type, field.type_name = FIELD.TYPE_MESSAGE, ".google.protobuf." + rnd.choice(KNOWN_MESSAGES)
    elif roll < 0.6 and syntax == "proto3":
        field.type, field.type_name = FIELD.TYPE_ENUM, ".r.E"
    else:
        field.type = rnd.choice(SCALARS)


def _make_map(rnd: random.Random, message: DescriptorProto, field: FieldDescriptorProto) -> None:
    entry = message.nested_type.add(name=f"{field.name.capitalize()}Entry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=FIELD.LABEL_OPTIONAL, type=rnd.choice(KEYS))
    value = entry.field.add(name="value", number=2, label=FIELD.LABEL_OPTIONAL, type=field.type)
    if field.type_name:
        value.type_name = field.type_name
    field.label, field.type = FIELD.LABEL_REPEATED, FIELD.TYPE_MESSAGE
    field.type_name = f".r.{message.name}.{entry.name}"


def without_texts(file: FileDescriptorProto) -> None:
    """Make numbers of all fields that are text."""
    for message in file.message_type:
        for each in (message, *message.nested_type):
            for field in each.field:
                if field.type == FIELD.TYPE_STRING:
                    field.type = FIELD.TYPE_SINT64


def fill(rnd: random.Random, message: Any) -> None:
    """Set some fields of a message to anything they may hold."""
    name = message.DESCRIPTOR.full_name
    if name in ("google.protobuf.Timestamp", "google.protobuf.Duration"):
        message.seconds = rnd.choice([0, 1, rnd.randint(-(10**11), 10**11)])
        if name == "google.protobuf.Timestamp" or message.seconds >= 0:
            message.nanos = rnd.choice([0, 999, 1000, 999_999_999])
        return
    for field in message.DESCRIPTOR.fields:
        if not field.is_required and rnd.random() < 0.3:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            value_field = field.message_type.fields_by_name["value"]
            for _ in range(rnd.choice([0, 1, 3, 12])):
                key = scalar(rnd, field.message_type.fields_by_name["key"])
                if value_field.message_type is not None:
                    fill(rnd, getattr(message, field.name)[key])
                else:
                    getattr(message, field.name)[key] = scalar(rnd, value_field)
        elif field.is_repeated:
            for _ in range(rnd.choice([0, 1, 2, 5])):
                if field.message_type is not None:
                    fill(rnd, getattr(message, field.name).add())
                else:
                    getattr(message, field.name).append(scalar(rnd, field))
        elif field.message_type is not None:
            getattr(message, field.name).SetInParent()
            fill(rnd, getattr(message, field.name))
        else:
            setattr(message, field.name, scalar(rnd, field))


def scalar(rnd: random.Random, field: Any) -> Any:
    """A value of a field's type."""
    match field.type:
        case FIELD.TYPE_DOUBLE:
            return rnd.choice([0.0, -0.0, 1.5, float("nan"), float("-inf"), rnd.uniform(-1e300, 1e300)])
        case FIELD.TYPE_FLOAT:
            return struct.unpack("<f", struct.pack("<I", rnd.getrandbits(32)))[0]
        case FIELD.TYPE_BOOL:
            return rnd.random() < 0.5
        case FIELD.TYPE_STRING:
            return rnd.choice(["", "a", "plain", "häß", "日本", "😀", "x" * 200])
        case FIELD.TYPE_BYTES:
            return rnd.randbytes(rnd.choice([0, 1, 9]))
        case FIELD.TYPE_ENUM:
            return rnd.choice([*ENUM.values(), 5, 127, 2**31 - 1, -(2**31)])
        case FIELD.TYPE_UINT64 | FIELD.TYPE_FIXED64:
            return rnd.choice([0, 1, 2**64 - 1, rnd.getrandbits(64)])
        case FIELD.TYPE_UINT32 | FIELD.TYPE_FIXED32:
            return rnd.choice([0, 1, 2**32 - 1, rnd.getrandbits(32)])
        case FIELD.TYPE_INT64 | FIELD.TYPE_SINT64 | FIELD.TYPE_SFIXED64:
            return rnd.choice([0, -1, 2**63 - 1, -(2**63), rnd.getrandbits(64) - 2**63])
        case _:
            return rnd.choice([0, -1, 2**31 - 1, -(2**31), rnd.getrandbits(32) - 2**31])


def varint(number: int) -> bytes:
    """Of 64 bits, as short as it can be."""
    number &= 2**64 - 1
    octets = bytearray()
    while number >= 0x80:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*octets, number])


def tagged(number: int, wire: int, value: bytes) -> bytes:
    """One field; of wire type 2 with its length."""
    return varint(number << 3 | wire) + (varint(len(value)) if wire == 2 else b"") + value


def _pieces(octets: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The fields of a message that is whole: number, type on the wire, value."""
    at = 0

    def number() -> int:
        nonlocal at
        start = at
        while octets[at] >= 0x80:
            at += 1
        at += 1
        return sum((byte & 0x7F) << 7 * i for i, byte in enumerate(octets[start:at]))

    while at < len(octets):
        tag = number()
        wire = tag & 7
        start = at
        if wire == 0:
            number()
        elif wire == 2:
            size = number()
            start = at
            at += size
        else:
            at += 8 if wire == 1 else 4
        yield tag >> 3, wire, octets[start:at]


def mangled(rnd: random.Random, octets: bytes, descriptor: Any) -> bytes:
    """The same fields in another order, some twice, lists packed otherwise, messages in pieces, and noise."""
    pieces: list[bytes] = []
    for number, wire, value in _pieces(octets):
        field = descriptor.fields_by_number[number]
        is_message = field.message_type is not None
        if is_message and not field.is_repeated and rnd.random() < 0.4:
            inner = [tagged(*each) for each in _pieces(value)]
            cut = rnd.randint(0, len(inner))
            parts = [b"".join(each) for each in (inner[:cut], inner[cut:])]
            pieces += [tagged(number, 2, mangled(rnd, each, field.message_type)) for each in parts]
        elif is_message:
            pieces.append(tagged(number, 2, mangled(rnd, value, field.message_type)))
        elif not is_message and field.is_repeated and wire != 2 and rnd.random() < 0.5:
            pieces.append(tagged(number, 2, value))
        else:
            pieces += [tagged(number, wire, value)] * rnd.choice([1, 1, 1, 2])
    if rnd.random() < 0.8:
        rnd.shuffle(pieces)
    if rnd.random() < 0.3 and not descriptor.GetOptions().map_entry:
        noise = [tagged(15000, 0, varint(rnd.getrandbits(64))), tagged(15000, 2, b"abc")]
        noise += [tagged(15001, 3, tagged(7, 5, b"1234")) + tagged(15001, 4, b"")]
        pieces.insert(rnd.randint(0, len(pieces)), rnd.choice(noise))
    return b"".join(pieces)


def flipped(rnd: random.Random, octets: bytes) -> bytes:
    """With a few bytes changed, put in or left out."""
    changed = bytearray(octets)
    for _ in range(rnd.randint(1, 3)):
        at = rnd.randint(0, len(changed))
        match rnd.randint(0, 3):
            case 0:
                changed[at:at] = rnd.randbytes(1)
            case 1:
                del changed[at : at + 1]
            case _:
                changed[at : at + 1] = bytes([rnd.getrandbits(8)])
    return bytes(changed)
