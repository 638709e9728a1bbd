"""What a sample of JSON texts holds: of each field, how often it was there and as what."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, NoReturn

MOST_MEMBERS = 10_000
"""Different keys that are told apart at one place; where there are more, they are keys of a map."""

_DAY = r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6}0*)?"
_SHORT_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6}0*)?)?"
_ZONE = r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)"
_SPELLINGS = {
    "timestamp(iso)": re.compile(rf"{_DAY}[Tt ]{_SHORT_CLOCK}{_ZONE}"),
    "timestamp_ntz": re.compile(rf"{_DAY}[Tt ]{_SHORT_CLOCK}"),
    "date": re.compile(_DAY),
    "time": re.compile(_CLOCK),
}


@dataclass(slots=True)
class Numbers:
    """The numbers of one place.

    digits        of the longest of them, without zeros that mean nothing
    decimals      the most digits behind a point
    are_integers  whether none is written with a point or an exponent, not even 1.0
    """

    lowest: Decimal = Decimal("Infinity")
    highest: Decimal = Decimal("-Infinity")
    digits: int = 0
    decimals: int = 0
    are_integers: bool = True

    def note(self, number: Decimal) -> None:
        """Look at one more."""
        self.lowest, self.highest = min(self.lowest, number), max(self.highest, number)
        _, digits, exponent = number.as_tuple()
        self.are_integers = self.are_integers and exponent == 0
        text = "".join(map(str, digits)).lstrip("0")
        kept = text.rstrip("0")
        power = int(exponent) + len(text) - len(kept)
        if kept:
            self.digits = max(self.digits, len(kept) + max(power, 0))
            self.decimals = max(self.decimals, -power)


@dataclass(slots=True)
class Place:
    """All values that stood at one place: a field, the elements of a list, the values of an object.

    kinds      how many were null, boolean, number, text, list, object
    spellings  how many texts spell a date, a time, a moment, or nothing of these
    members    of the objects, by key
    elements   of the lists
    """

    kinds: "Counter[str]" = field(default_factory=Counter)
    numbers: Numbers = field(default_factory=Numbers)
    spellings: "Counter[str]" = field(default_factory=Counter)
    members: "dict[str, Place]" = field(default_factory=dict)
    elements: "Place | None" = None

    @property
    def count(self) -> int:
        """Of all values, null or not."""
        return self.kinds.total()

    def note(self, value: Any) -> None:
        """Look at one more value, as Python has it."""
        match value:
            case None:
                self.kinds["null"] += 1
            case bool():
                self.kinds["boolean"] += 1
            case Decimal():
                self.kinds["number"] += 1
                self.numbers.note(value)
            case str():
                self.kinds["text"] += 1
                self.spellings[_spelling(value)] += 1
            case list():
                self.kinds["list"] += 1
                if self.elements is None:
                    self.elements = Place()
                for each in value:
                    self.elements.note(each)
            case dict():
                self.kinds["object"] += 1
                for key, each in value.items():
                    place = self.members.get(key)
                    if place is None:
                        if len(self.members) >= MOST_MEMBERS:
                            continue
                        place = self.members[key] = Place()
                    place.note(each)


@dataclass(slots=True)
class Sample:
    """What was sampled: the objects, and how many values were null or no JSON object."""

    objects: Place
    null_count: int = 0
    other_count: int = 0


def look_at(values: Iterable[bytes | None]) -> Sample:
    """Look at the values of a topic."""
    sample = Sample(Place())
    for octets in values:
        if octets is None:
            sample.null_count += 1
            continue
        try:
            value = json.loads(octets, parse_int=Decimal, parse_float=Decimal, parse_constant=_refuse)
        except (ValueError, ArithmeticError, RecursionError):
            value = None
        if isinstance(value, dict) and _is_text(octets, value):
            sample.objects.note(value)
        else:
            sample.other_count += 1
    return sample


def _is_text(octets: bytes, value: Any) -> bool:
    """Whether no half of a surrogate pair is escaped in it, which no column and no name can hold."""
    if b"\\ud" not in octets.lower():
        return True
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(_: str) -> NoReturn:
    raise ValueError


def _spelling(text: str) -> str:
    for spelling, pattern in _SPELLINGS.items():
        match = pattern.fullmatch(text)
        if match is None:
            continue
        day = match.groupdict().get("day")
        try:
            if day is not None:
                date.fromisoformat(day)
        except ValueError:
            return "text"
        return spelling
    return "text"
