"""From a writer's schema to the program that reads its values into the columns."""

from dataclasses import dataclass

from loader.formats.avro import instructions as code
from loader.formats.avro.columns import places_of
from loader.formats.avro.constants import Constants
from loader.formats.avro.instructions import Instruction, Pool
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

LARGEST_WHOLE: dict[ColumnType, int] = {Primitive("float"): 1 << 24, Primitive("double"): 1 << 53}
"""Up to where every whole number is one of the type."""

DAY_MICROSECONDS = 86_400_000_000
MOST_MICROSECONDS = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Program:
    """Instructions whose jumps count from their first one.

    list_depth  how many lists and maps lie within each other
    """

    instructions: list[Instruction]
    list_depth: int


def program_of(writer: AvroType, columns: Slot, pool: Pool, source: str) -> Program:
    """The program for values of one schema, which fit into the columns.

    Raises UnusableSchema for a default of the newest schema that is none of its type.
    """
    compiler = _Compiler(pool, source)
    compiler.slot(writer, columns, 0)
    compiler.add(code.END)
    return Program(compiler.instructions, compiler.list_depth)


def node_count(slot: Slot) -> int:
    """How many nodes a slot's column has."""
    return len(listed(column_type_of(slot)))


def _content_node_count(branch: Branch) -> int:
    return len(listed(content_type_of(branch.content)))


class _Compiler:
    """Writes one program. A node is that of the column which the method writes to."""

    def __init__(self, pool: Pool, source: str) -> None:
        self.instructions: list[Instruction] = []
        self.list_depth = 0
        self._open_lists = 0
        self._pool = pool
        self._source = source
        self._constants = Constants(pool, self.add)

    def add(self, operation: int, node: int = 0, a: int = 0, b: int = 0) -> int:
        """Write an instruction; returns its number."""
        self.instructions.append((operation, node, a, b))
        return len(self.instructions) - 1

    def _set_a(self, number: int, a: int) -> None:
        operation, node, _, b = self.instructions[number]
        self.instructions[number] = (operation, node, a, b)

    def _set_b(self, number: int, b: int) -> None:
        operation, node, a, _ = self.instructions[number]
        self.instructions[number] = (operation, node, a, b)

    def slot(self, writer: AvroType, slot: Slot, node: int) -> None:
        """Read a value into a slot."""
        if isinstance(writer, Union):
            self._union(writer, slot, node)
        elif is_null(writer):
            self.add(code.NULLS, node)
        elif slot.is_union:
            self._into_union(writer, slot, node)
        else:
            self._content(writer, slot.branches[0], node)

    def _union(self, writer: Union, slot: Slot, node: int) -> None:
        nulls = [number for number, each in enumerate(writer.branches) if is_null(each)]
        if len(writer.branches) == 2 and len(nulls) == 1:
            begin = self.add(code.NULLABLE, node, nulls[0])
            self.slot(writer.branches[1 - nulls[0]], slot, node)
            self._set_b(begin, len(self.instructions))
            return
        self.add(code.UNION, node, len(writer.branches))
        targets = [self.add(code.JUMP) for _ in writer.branches]
        jumps = []
        for target, branch in zip(targets, writer.branches, strict=True):
            self._set_a(target, len(self.instructions))
            self.slot(branch, slot, node)
            jumps.append(self.add(code.JUMP))
        for jump in jumps:
            self._set_a(jump, len(self.instructions))

    def _into_union(self, writer: AvroType, slot: Slot, node: int) -> None:
        """Into the field of its branch; the others are null."""
        wanted = slot.branch_of(branch_of_type(writer))
        self.add(code.CONSTANT, node)
        child = node + 1
        for number, branch in enumerate(slot.branches):
            if number == wanted:
                self._content(writer, branch, child)
            else:
                self.add(code.NULLS, child)
            child += _content_node_count(branch)

    def _content(self, writer: AvroType, branch: Branch, node: int) -> None:
        match writer, branch.content:
            case Record(), Fields() as fields:
                self._record(writer, fields, node)
            case Array(items), Elements(slot):
                self._elements(items, slot, node, node + 1)
            case Map(values), Elements(slot):
                self._elements(values, slot, node, node + 2)
            case Enum(symbols=symbols), _:
                self.add(code.ENUM, node, len(symbols))
                for symbol in symbols:
                    self.add(code.CONSTANT, node, *self._pool.entry(symbol.encode()))
            case Simple(), _:
                self.add(*_simple(writer, content_type_of(branch.content), node))
            case _:
                raise AssertionError(f"{writer} was found to fit {branch}")

    def _record(self, writer: Record, fields: Fields, node: int) -> None:
        columns = fields.columns()
        self.add(code.CONSTANT, node, 0 if columns else 1)
        nodes: dict[int, int] = {}
        child = node + 1
        for number, each in enumerate(fields.fields):
            if each.slot.branches:
                nodes[number] = child
                child += node_count(each.slot)
        places = places_of(fields, [each.name for each in writer.fields])
        for field, place in zip(writer.fields, places, strict=True):
            if place is not None and place in nodes:
                self.slot(field.type, fields.fields[place].slot, nodes[place])
            else:
                self._nothing(field.type, node)
        for number in nodes.keys() - set(places):
            missing = fields.fields[number]
            if missing.default is NO_DEFAULT or missing.type is None:
                self.add(code.NULLS, nodes[number])
            else:
                where = f"field {missing.names[0]}, which records of {self._source} lack"
                self._constants.slot(missing.default, missing.type, missing.slot, nodes[number], where)

    def _nothing(self, writer: AvroType, node: int) -> None:
        """What can only be null and has no column."""
        if isinstance(writer, Union):
            self.add(code.UNION, node, len(writer.branches))
            first = len(self.instructions) + len(writer.branches)
            for _ in writer.branches:
                self.add(code.JUMP, node, first)

    def _elements(self, items: AvroType, slot: Slot, node: int, inner: int) -> None:
        is_map = inner == node + 2
        self.add(code.ELEMENTS, node)
        self._open_lists += 1
        self.list_depth = max(self.list_depth, self._open_lists)
        begin = self.add(code.NEXT, node, b=0 if is_map else int(takes_no_bytes(items)))
        if is_map:
            self.add(code.TEXT, node + 1, -1, 1)
        self.slot(items, slot, inner)
        self.add(code.JUMP, a=begin)
        self._set_a(begin, len(self.instructions))
        self._open_lists -= 1


_FIXED_READS = {
    "int": (code.INT, 0),
    "long": (code.LONG, 0),
    "float": (code.FLOAT, 4),
    "double": (code.DOUBLE, 8),
    "boolean": (code.BOOLEAN, 1),
}
"""Operations and the bytes they read, 0 for a number of any length."""


def takes_no_bytes(avro_type: AvroType) -> bool:
    """Whether values of a type may be written as no bytes at all."""
    match avro_type:
        case Simple(kind, size=size):
            return kind == "null" or (kind == "fixed" and size == 0)
        case Record(fields=fields):
            return all(takes_no_bytes(each.type) for each in fields)
        case _:
            return False


def _simple(writer: Simple, column: ColumnType, node: int) -> Instruction:
    """What reads a value of one of the simple types into a column."""
    size = writer.size if writer.kind == "fixed" else -1
    match writer.kind, writer.logical:
        case "int" | "long", "" if column in LARGEST_WHOLE:
            return code.WHOLE, node, LARGEST_WHOLE[column], 0
        case _, "time-millis":
            return code.TIME, node, 1000, DAY_MICROSECONDS // 1000
        case _, "time-micros":
            return code.TIME, node, 1, DAY_MICROSECONDS
        case _, "timestamp-millis" | "local-timestamp-millis":
            return code.TIMES, node, 1000, MOST_MICROSECONDS // 1000
        case _, "timestamp-nanos" | "local-timestamp-nanos":
            return code.NANOS, node, 0, 0
        case "bytes" | "fixed", "decimal":
            return code.DECIMAL, node, size, 0
        case "bytes" | "fixed" | "string", _:
            return code.TEXT, node, size, int(column == Primitive("string"))
        case kind, _:
            return _FIXED_READS[kind][0], node, _FIXED_READS[kind][1], 0
