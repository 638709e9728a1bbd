"""Types of columns, and how a person writes them: `long`, `decimal(10, 2)`, `list<struct<sku: string>>`.

The same words stand in the job file, in what `infer` prints, in the ledger and in errors. They are those of
Spark SQL's DDL, so that most readers know them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

PRIMITIVES = (
    "boolean",
    "int",
    "long",
    "float",
    "double",
    "string",
    "binary",
    "date",
    "time",
    "timestamp_ntz",
)
"""int and long have 32 and 64 bits, float and double too; a time is in microseconds of the day; a
timestamp_ntz is a date and time of day, in microseconds, that no zone turns into a moment."""

ENCODINGS = ("s", "ms", "us", "iso")
"""How JSON spells a moment: seconds, milliseconds or microseconds since 1970 UTC, or ISO 8601 with a zone."""

MAX_PRECISION = 38
MAX_DEPTH = 32
"""Of types within types; deeper ones no reader of Parquet likes."""


@dataclass(frozen=True, slots=True)
class Primitive:
    """A type of one word."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class TimestampType:
    """A moment, in microseconds UTC. `encoding` says how JSON spells it; None where that is no question."""

    encoding: Literal["s", "ms", "us", "iso"] | None = None

    def __str__(self) -> str:
        return f"timestamp({self.encoding})" if self.encoding else "timestamp"


@dataclass(frozen=True, slots=True)
class DecimalType:
    """A number of `precision` decimal digits, `scale` of them behind the point."""

    precision: int
    scale: int

    def __str__(self) -> str:
        return f"decimal({self.precision}, {self.scale})"


@dataclass(frozen=True, slots=True)
class ListType:
    """Any number of one type."""

    element: "ColumnType"

    def __str__(self) -> str:
        return f"list<{self.element}>"


@dataclass(frozen=True, slots=True)
class MapType:
    """Keys of one type with values of one type; keys of JSON and Avro are strings."""

    key: "ColumnType"
    value: "ColumnType"

    def __str__(self) -> str:
        return f"map<{self.key}, {self.value}>"


@dataclass(frozen=True, slots=True)
class StructType:
    """Named fields in order. Every field may be null: a schema that grows leaves holes in what is older."""

    fields: "tuple[tuple[str, ColumnType], ...]"

    def __str__(self) -> str:
        return f"struct<{', '.join(f'{spelled(name)}: {each}' for name, each in self.fields)}>"


ColumnType = Primitive | TimestampType | DecimalType | ListType | MapType | StructType

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOKEN = re.compile(r"\s*(?:([A-Za-z_][A-Za-z0-9_]*)|(\d+)|`((?:[^`]|``)*)`|([<>(),:]))")


def spelled(name: str) -> str:
    """A field's name as it stands in a type: between backticks unless it is a plain word."""
    return name if _PLAIN_NAME.fullmatch(name) else "`" + name.replace("`", "``") + "`"


def parse_type(text: str) -> ColumnType:
    """The type that a text spells. Raises ValueError, which says what was found where."""
    parser = _Parser(text)
    found = parser.type(0)
    parser.end()
    return found


class _Parser:
    """Reads one type from a text, token by token."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split())
        self._at = 0

    def _split(self) -> Iterator[tuple[str, str]]:
        at = 0
        while self._text[at:].strip():
            match = _TOKEN.match(self._text, at)
            if match is None:
                raise ValueError(f"{self._text!r}: what does {self._text[at:].strip()[0]!r} mean there?")
            word, number, quoted, sign = match.groups()
            if quoted is not None:
                yield "name", quoted.replace("``", "`")
            else:
                yield ("word", word) if word else ("number", number) if number else ("sign", sign)
            at = match.end()

    def type(self, depth: int) -> ColumnType:
        """One type, which may hold others."""
        if depth > MAX_DEPTH:
            raise ValueError(f"{self._text[:60]!r}…: types lie more than {MAX_DEPTH} deep")
        kind, word = self._next("a type")
        if kind != "word":
            raise self._unexpected(word, "a type")
        name = word.lower()
        if name in PRIMITIVES:
            return Primitive(name)
        if name == "timestamp":
            return TimestampType(self._encoding()) if self._peek("(") else TimestampType()
        if name == "decimal":
            return self._decimal()
        if name == "list":
            self._expect("<")
            element = self.type(depth + 1)
            self._expect(">")
            return ListType(element)
        if name == "map":
            self._expect("<")
            key = self.type(depth + 1)
            self._expect(",")
            value = self.type(depth + 1)
            self._expect(">")
            return MapType(key, value)
        if name == "struct":
            return self._struct(depth)
        known = ", ".join(
            (*PRIMITIVES, "timestamp", "decimal(p, s)", "list<…>", "map<string, …>", "struct<…>")
        )
        raise ValueError(f"{self._text!r}: {word!r} is no type; there are {known}")

    def _encoding(self) -> Literal["s", "ms", "us", "iso"]:
        self._expect("(")
        _, word = self._next("an encoding")
        if word not in ENCODINGS:
            raise ValueError(
                f"{self._text!r}: a timestamp is encoded as {', '.join(ENCODINGS)}, not {word!r}"
            )
        self._expect(")")
        return word  # type: ignore[return-value] # one of the four, as was just looked up

    def _decimal(self) -> DecimalType:
        self._expect("(")
        precision = self._number()
        self._expect(",")
        scale = self._number()
        self._expect(")")
        if not 1 <= precision <= MAX_PRECISION or scale > precision:
            raise ValueError(
                f"{self._text!r}: a decimal has 1 to {MAX_PRECISION} digits, and no more of them behind"
                " the point"
            )
        return DecimalType(precision, scale)

    def _struct(self, depth: int) -> StructType:
        self._expect("<")
        fields: list[tuple[str, ColumnType]] = []
        while not self._peek(">"):
            if fields:
                self._expect(",")
            kind, name = self._next("a field")
            if kind not in ("word", "name"):
                raise self._unexpected(name, "a field's name")
            self._expect(":")
            fields.append((name, self.type(depth + 1)))
        self._expect(">")
        if not fields:
            raise ValueError(f"{self._text!r}: a struct has at least one field")
        names = [name for name, _ in fields]
        if len(set(names)) < len(names):
            raise ValueError(f"{self._text!r}: a struct names a field twice")
        return StructType(tuple(fields))

    def end(self) -> None:
        """Nothing may be left."""
        if self._at < len(self._tokens):
            raise self._unexpected(self._tokens[self._at][1], "the end")

    def _number(self) -> int:
        kind, word = self._next("a number")
        if kind != "number":
            raise self._unexpected(word, "a number")
        return int(word)

    def _peek(self, sign: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at] == ("sign", sign)

    def _expect(self, sign: str) -> None:
        kind, found = self._next(repr(sign))
        if (kind, found) != ("sign", sign):
            raise self._unexpected(found, repr(sign))

    def _next(self, wanted: str) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise ValueError(f"{self._text!r} ends where {wanted} is missing")
        self._at += 1
        return self._tokens[self._at - 1]

    def _unexpected(self, found: str, wanted: str) -> ValueError:
        return ValueError(f"{self._text!r}: found {found!r} where {wanted} is expected")
