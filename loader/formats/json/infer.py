"""Types for the fields of a topic's JSON, worked out from a sample: a proposal, with what speaks against it.

Nothing is guessed that changes what a value means. An integer that may be a time stays an integer, with a
hint; a field of several types is left out, so that it is kept in `_rest` as it is.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from loader.formats.json.sampling import MOST_MEMBERS, Numbers, Place, Sample
from loader.values.column_types import (
    MAX_PRECISION,
    ColumnType,
    DecimalType,
    ListType,
    MapType,
    Primitive,
    StructType,
    TimestampType,
    spelled,
)

STRING = Primitive("string")

RARE = 0.01
"""The share of values of another type below which a field keeps the type of the rest."""

MAP_KEYS = 16
"""Objects with fewer different keys than this are never a map,"""

MAP_SHARE = 0.25
"""nor those whose keys are each, on average, in more than this share of the objects."""

_LONG = 2**63
_EXACT_DIGITS = 15  # of any number that a double gives back digit by digit
_TIME_WORDS = "at|ts|time|timestamp|date|ms|millis|us|micros|sec|seconds|epoch"
_TIME_NAME = re.compile(rf"(?i:(^|_)({_TIME_WORDS}))$|[a-z]({_TIME_WORDS.title()})$")
_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000}
_EPOCH_FROM, _EPOCH_TO = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class InferredField:
    """One field, or the elements or values within one.

    path           as messages of the decoder call it: `address.zip`, `tags[]`, `scores{}`
    column_type    None where it is left out: then it is in `_rest`
    seen_in        how many objects or lists it could have been in
    missing_count  in how many of them it was not
    null_count     how many values were null
    other_counts   how many were of another type than the column has, by that type
    hints          what a person may want to change, and why
    parts          the fields within, or the elements or values
    """

    path: str
    column_type: ColumnType | None
    seen_in: int
    missing_count: int
    null_count: int
    other_counts: Mapping[str, int]
    hints: tuple[str, ...] = ()
    parts: "tuple[InferredField, ...]" = ()

    def all_parts(self) -> "Iterator[InferredField]":
        """Those within, and within these."""
        for part in self.parts:
            yield part
            yield from part.all_parts()


def infer_fields(sample: Sample) -> dict[str, InferredField]:
    """The fields of the sampled objects, by name, in the order in which they were first seen."""
    objects = sample.objects
    return {
        name: _field(place, name, objects.kinds["object"], name) for name, place in objects.members.items()
    }


def _field(place: Place, path: str, seen_in: int, name: str) -> InferredField:
    kinds = Counter({kind: count for kind, count in place.kinds.items() if kind != "null"})
    null_count = place.kinds["null"]
    parts: tuple[InferredField, ...] = ()
    hints: tuple[str, ...] = ()
    column_type: ColumnType | None
    if not kinds:
        column_type, hints = STRING, ("was always null: its type is not known",)
        others: dict[str, int] = {}
    else:
        main, main_count = kinds.most_common(1)[0]
        others = {kind: count for kind, count in kinds.items() if kind != main}
        column_type, hints, parts = _typed(place, main, path, name)
        if main_count < (1 - RARE) * kinds.total():
            column_type = None
            hints = (f"is left out: values are of several types, first {main}; it is kept in _rest",)
        elif others and column_type is not None:
            hints = (*hints, "records with another type would go to the quarantine")
    return InferredField(
        path=path,
        column_type=column_type,
        seen_in=seen_in,
        missing_count=seen_in - place.count if seen_in >= place.count else 0,
        null_count=null_count,
        other_counts=others,
        hints=hints,
        parts=parts,
    )


def _typed(
    place: Place, kind: str, path: str, name: str
) -> tuple[ColumnType | None, tuple[str, ...], tuple[InferredField, ...]]:
    """The type of the values of one kind, hints, and what is within."""
    match kind:
        case "boolean":
            return Primitive("boolean"), (), ()
        case "number":
            return *_number_type(place.numbers, name), ()
        case "text":
            return *_text_type(place.spellings), ()
        case "list":
            return _list_type(place, path, name)
    return _object_type(place, path)


def _number_type(numbers: Numbers, name: str) -> tuple[ColumnType | None, tuple[str, ...]]:
    if numbers.are_integers:
        if numbers.lowest >= -_LONG and numbers.highest < _LONG:
            return Primitive("long"), tuple(_epoch_hints(numbers, name))
        if numbers.digits <= MAX_PRECISION:
            return DecimalType(MAX_PRECISION, 0), ("has integers beyond the range of long",)
        return None, (f"is left out: has integers of more than {MAX_PRECISION} digits; it is kept in _rest",)
    if numbers.digits > _EXACT_DIGITS:
        return Primitive("double"), (
            f"has numbers of {numbers.digits} digits, {numbers.decimals} behind the point, which a double"
            " rounds: a decimal(precision, scale) keeps them",
        )
    scale = numbers.decimals
    largest = max(abs(numbers.lowest), numbers.highest)
    if 1 <= scale <= 4 and largest < 10 ** (18 - scale):
        return Primitive("double"), (f'has at most {scale} decimals: "decimal(18, {scale})" would be exact',)
    return Primitive("double"), ()


def _epoch_hints(numbers: Numbers, name: str) -> Iterator[str]:
    """Which times the integers would be, where the field's name says that they may be some."""
    if not _TIME_NAME.search(name):
        return
    for unit, factor in _UNITS.items():
        lowest, highest = int(numbers.lowest) / factor, int(numbers.highest) / factor
        if _EPOCH_FROM.timestamp() <= lowest <= highest < _EPOCH_TO.timestamp():
            first, last = (datetime.fromtimestamp(each, UTC) for each in (lowest, highest))
            yield (
                f'if these are times, "timestamp({unit})" makes them moments:'
                f" {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC"
            )


def _text_type(spellings: "Counter[str]") -> tuple[ColumnType, tuple[str, ...]]:
    spelling, count = spellings.most_common(1)[0]
    if spelling != "text" and count == spellings.total():
        return (TimestampType("iso") if spelling == "timestamp(iso)" else Primitive(spelling)), ()
    told = [
        f"{count} of {spellings.total()} spell a {each}"
        for each, count in spellings.items()
        if each != "text"
    ]
    return STRING, tuple(told)


def _list_type(
    place: Place, path: str, name: str
) -> tuple[ColumnType | None, tuple[str, ...], tuple[InferredField, ...]]:
    elements = place.elements or Place()
    if not elements.count:
        return ListType(STRING), ("was always empty: the type of its elements is not known",), ()
    found = _field(elements, f"{path}[]", elements.count, name)
    if found.column_type is None:
        return None, ("is left out, as its elements are; it is kept in _rest",), (found,)
    return ListType(found.column_type), (), (found,)


def _object_type(
    place: Place, path: str
) -> tuple[ColumnType | None, tuple[str, ...], tuple[InferredField, ...]]:
    objects = place.kinds["object"]
    if not place.members:
        return MapType(STRING, STRING), ("was always empty: what it holds is not known",), ()
    if _is_map(place, objects):
        values = Place()
        for each in place.members.values():
            _add(values, each)
        found = _field(values, f"{path}{{}}", values.count, "")
        hint = f"has {_keys(place)} different keys, few of them in each: taken for a map"
        if found.column_type is None:
            return None, (hint, "is left out, as its values are; it is kept in _rest"), (found,)
        return MapType(STRING, found.column_type), (hint,), (found,)
    parts: dict[str, InferredField] = {}
    hints: list[str] = []
    spellings: set[str] = set()
    for key, each in place.members.items():
        if not key or key.casefold() in spellings:
            hints.append(
                f"its field {spelled(key)} is left out: its name is empty, or another's in other letters"
            )
            continue
        spellings.add(key.casefold())
        parts[key] = _field(each, f"{path}.{key}", objects, key)
    fields = tuple((key, part.column_type) for key, part in parts.items() if part.column_type is not None)
    if not fields:
        return None, (*hints, "is left out, as all within is; it is kept in _rest"), tuple(parts.values())
    return StructType(fields), tuple(hints), tuple(parts.values())


def _is_map(place: Place, objects: int) -> bool:
    if len(place.members) < MAP_KEYS:
        return False
    share = sum(each.count for each in place.members.values()) / len(place.members) / objects
    return share <= MAP_SHARE


def _keys(place: Place) -> str:
    return f"at least {MOST_MEMBERS}" if len(place.members) >= MOST_MEMBERS else str(len(place.members))


def _add(target: Place, other: Place) -> None:
    """Take the values of one place to those of another."""
    target.kinds += other.kinds
    target.spellings += other.spellings
    ours, theirs = target.numbers, other.numbers
    ours.lowest, ours.highest = min(ours.lowest, theirs.lowest), max(ours.highest, theirs.highest)
    ours.digits, ours.decimals = max(ours.digits, theirs.digits), max(ours.decimals, theirs.decimals)
    ours.are_integers = ours.are_integers and theirs.are_integers
    for key, each in other.members.items():
        if key in target.members or len(target.members) < MOST_MEMBERS:
            _add(target.members.setdefault(key, Place()), each)
    if other.elements is not None:
        target.elements = target.elements or Place()
        _add(target.elements, other.elements)
