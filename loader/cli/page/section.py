"""What the page is made of: sections, each with a number that matters most, pictures and tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from loader.cli import text
from loader.cli.page.drawing import Figure


@dataclass(frozen=True, slots=True)
class Column:
    """Of a table: numbers stand to the right, and long text may take several lines."""

    name: str
    kind: Literal["number", "text", "word"] = "word"


@dataclass(frozen=True, slots=True)
class Table:
    """Its rows are whole, or `rest` says what is not there.

    is_detail  whether it is the numbers of a chart, unfolded only by who wants them
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    rest: str = ""
    is_detail: bool = False


@dataclass(frozen=True, slots=True)
class Swatch:
    """A colour of the page and what it stands for."""

    colour: str
    name: str


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the page.

    headline  the number that matters most, with its unit
    note      a sentence about it
    legend    of all its figures
    """

    anchor: str
    title: str
    headline: str
    note: str
    figures: Sequence[Figure] = ()
    legend: Sequence[Swatch] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True, slots=True)
class Tile:
    """A number of the summary, and the section that tells more."""

    name: str
    value: str
    note: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What a person should look at.

    is_grave  whether rows are lost or will be, or a topic stands still
    commands  what can be done: its meaning, and the command
    """

    text: str
    is_grave: bool
    commands: Sequence[tuple[str, str]] = ()


_KINDS: dict[str, Literal["number", "text"]] = {"#": "number", "~": "text"}


def columns(*names: str) -> list[Column]:
    """Columns by name; one that begins with # is of numbers, with ~ of long text."""
    return [Column(name.lstrip("#~"), _KINDS.get(name[0], "word")) for name in names]


def minute(time_ms: int) -> str:
    """A time without seconds, where hours and days matter: 2026-11-22 10:15Z."""
    return f"{text.moment(time_ms)[:16]}Z"
