"""Defaults of the newest schema, as instructions that put them where a writer has no such field."""

import json
import struct
from collections.abc import Callable
from typing import Any

from loader.errors import UnusableSchema
from loader.formats.avro import instructions as code
from loader.formats.avro.instructions import Pool
from loader.formats.avro.schema import NO_DEFAULT, Array, AvroType, Enum, Map, Record, Simple, Union
from loader.formats.avro.slots import (
    Branch,
    Elements,
    Fields,
    Slot,
    branch_of_type,
    column_type_of,
    content_type_of,
    is_null,
)
from loader.formats.nodes import listed
from loader.values.column_types import ColumnType, Primitive

LIMITS = {"int": 1 << 31, "long": 1 << 63}
_SCALES = {"time-millis": 1000, "timestamp-millis": 1000, "local-timestamp-millis": 1000}


def is_default(written: Any, avro_type: AvroType) -> bool:
    """Whether JSON is a default of a type. Of a union any branch's will do: schemas in use take it so."""
    match avro_type:
        case Union(branches):
            return any(is_default(written, each) for each in branches)
        case Record(fields=fields):
            return isinstance(written, dict) and all(
                is_default(written.get(each.name, each.default), each.type) for each in fields
            )
        case Array(items):
            return isinstance(written, list) and all(is_default(each, items) for each in written)
        case Map(values):
            return isinstance(written, dict) and all(is_default(each, values) for each in written.values())
        case Enum(symbols=symbols):
            return written in symbols
        case Simple():
            return _is_simple_default(written, avro_type)


def _is_simple_default(written: Any, simple: Simple) -> bool:
    is_number = isinstance(written, int | float) and not isinstance(written, bool)
    match simple.kind:
        case "null":
            return written is None
        case "boolean":
            return isinstance(written, bool)
        case "int" | "long" as kind:
            return is_number and isinstance(written, int) and -LIMITS[kind] <= written < LIMITS[kind]
        case "float" | "double":
            return is_number
        case "string":
            return isinstance(written, str)
        case _:
            if not isinstance(written, str) or not all(ord(each) < 256 for each in written):
                return False
            if simple.logical == "decimal" and abs(_unscaled(written)) >= 10**simple.precision:
                return False
            return simple.kind == "bytes" or len(written) == simple.size


def _unscaled(written: str) -> int:
    """The number of a decimal: JSON has a byte as the character of its number."""
    return int.from_bytes(written.encode("latin-1"), "big", signed=True)


class Constants:
    """Writes instructions that put a default into its nodes."""

    def __init__(self, pool: Pool, add: Callable[[int, int, int, int], int]) -> None:
        self._pool = pool
        self._add = add

    def slot(self, written: Any, avro_type: AvroType, slot: Slot, node: int, where: str) -> None:
        """Put the default of a field. Raises UnusableSchema, which begins with `where`."""
        if not is_default(written, avro_type):
            raise UnusableSchema(f"{where}: the default {json.dumps(written)[:80]} is none of its type")
        self._slot(written, avro_type, slot, node)

    def _slot(self, written: Any, avro_type: AvroType, slot: Slot, node: int) -> None:
        if isinstance(avro_type, Union):
            written_as = next(each for each in avro_type.branches if is_default(written, each))
            self._slot(written, written_as, slot, node)
        elif is_null(avro_type):
            self._add(code.NULLS, node, 0, 0)
        elif not slot.is_union:
            self._content(written, avro_type, slot.branches[0], node)
        else:
            wanted = slot.branch_of(branch_of_type(avro_type))
            self._add(code.CONSTANT, node, 0, 0)
            child = node + 1
            for number, branch in enumerate(slot.branches):
                if number == wanted:
                    self._content(written, avro_type, branch, child)
                else:
                    self._add(code.NULLS, child, 0, 0)
                child += len(listed(content_type_of(branch.content)))

    def _content(self, written: Any, avro_type: AvroType, branch: Branch, node: int) -> None:
        match avro_type, branch.content:
            case Record(), Fields() as fields:
                self._record(written, avro_type, fields, node)
            case Array(items), Elements(slot):
                self._add(code.CONSTANT, node, len(written), 0)
                for each in written:
                    self._slot(each, items, slot, node + 1)
            case Map(values), Elements(slot):
                self._add(code.CONSTANT, node, len(written), 0)
                for key, each in written.items():
                    self._add(code.CONSTANT, node + 1, *self._pool.entry(key.encode()))
                    self._slot(each, values, slot, node + 2)
            case Enum(), _:
                self._add(code.CONSTANT, node, *self._pool.entry(written.encode()))
            case Simple(), content:
                self._add(code.CONSTANT, node, *self._entry(written, avro_type, content_type_of(content)))
            case _:
                raise AssertionError(f"{avro_type} was found to fit {branch}")

    def _record(self, written: Any, record: Record, fields: Fields, node: int) -> None:
        columns = fields.columns()
        self._add(code.CONSTANT, node, 0 if columns else 1, 0)
        by_name = {each.name: each for each in record.fields}
        child = node + 1
        for column in columns:
            field = by_name.get(column.names[0])
            if field is None or (default := written.get(field.name, field.default)) is NO_DEFAULT:
                self._add(code.NULLS, child, 0, 0)
            else:
                self._slot(default, field.type, column.slot, child)
            child += len(listed(column_type_of(column.slot)))

    def _entry(self, written: Any, simple: Simple, column: ColumnType) -> tuple[int, int]:
        if simple.kind == "boolean":
            return int(written), 0
        if simple.logical == "decimal":
            return struct.unpack("<qq", _unscaled(written).to_bytes(16, "little", signed=True))
        if simple.kind in ("string", "bytes", "fixed"):
            return self._pool.entry(written.encode("utf-8" if simple.kind == "string" else "latin-1"))
        if column in (Primitive("float"), Primitive("double")):
            return struct.unpack("<q", struct.pack("<d", written))[0], 0
        if simple.logical.endswith("-nanos"):
            return written // 1000, 0
        return written * _SCALES.get(simple.logical, 1), 0
