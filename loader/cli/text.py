"""Numbers and times as people read them, and tables."""

import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from datetime import UTC, datetime
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

LEAST_FOLDED = 32
"""How wide a column of names stays at least, before others are left out for it. Longer names are folded."""

COLUMN_GAP = 2
"""Spaces between the columns of a table."""

WIDEST = 100_000
"""Columns of a table that is not printed to a terminal."""

BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def count(number: int) -> str:
    """Digits in groups of three: 1,234,567."""
    return f"{number:,}"


def rounded(number: int) -> str:
    """Three or more digits with a unit, where there is little room: 1.2 M, 512 k, 999."""
    if number < 10_000:
        return count(number)
    return f"{number / 1e6:.1f} M" if number >= 1_000_000 else f"{number / 1e3:.0f} k"


def size(number: float) -> str:
    """Bytes with a unit: 48.2 GiB."""
    for unit in BYTE_UNITS:
        if abs(number) < 1024 or unit == BYTE_UNITS[-1]:
            break
        number /= 1024
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"


def duration(seconds: float) -> str:
    """Seconds as 0.8 s, 42 s, 3 min 20 s or 2 h 5 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def hours(milliseconds: int) -> str:
    """A time to come in hours: 0.4 h, 61 h."""
    number = milliseconds / 3_600_000
    return f"{number:.1f} h" if number < 10 else f"{count(round(number))} h"


def moment(timestamp_ms: int) -> str:
    """A time in UTC: 2026-11-22 10:15:00Z."""
    return f"{datetime.fromtimestamp(timestamp_ms / 1000, UTC):%Y-%m-%d %H:%M:%SZ}"


def plural(number: int, noun: str) -> str:
    """1 file, 2 files."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """Text of one line; what is no letter, figure, sign or space is escaped: it could steer a terminal."""
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(letter: str) -> str:
    if letter.isprintable():
        return letter
    return letter.encode("unicode_escape").decode("ascii")


def print_table(
    columns: Mapping[str, str],
    rows: Iterable[Sequence[str]],
    title: str = "",
    spare: Sequence[str] = (),
) -> None:
    """Print a table to standard output. `columns` maps headings to left or right.

    spare  headings of columns that a narrow terminal does without, the first one first
    """
    # A name may hold what rich takes for markup: a group called etl[red], a path with :key: in it.
    console = Console(highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        columns, rows = _fitting(columns, list(rows), spare, console.width)
    else:
        console.width = WIDEST  # a pipe has no width: never cut or fold what a program reads
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for heading, justify in columns.items():
        # Where a terminal is too narrow, names are folded, so that no digit of a number is cut off.
        if justify == "right":
            table.add_column(heading, justify="right", no_wrap=True)
        else:
            table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _fitting(
    columns: Mapping[str, str], rows: Sequence[Sequence[str]], spare: Sequence[str], width: int
) -> tuple[Mapping[str, str], Sequence[Sequence[str]]]:
    """The table without as many of its spare columns as it takes to fit."""
    headings = list(columns)
    widths = [
        min(max(map(cell_len, cells)), LEAST_FOLDED if columns[cells[0]] == "left" else sys.maxsize)
        for cells in zip(headings, *rows, strict=True)
    ]
    kept = dict(zip(headings, widths, strict=True))
    for heading in spare:
        if sum(kept.values()) + COLUMN_GAP * (len(kept) - 1) <= width:
            break
        del kept[heading]
    numbers = [number for number, heading in enumerate(headings) if heading in kept]
    return {each: columns[each] for each in kept}, [[row[number] for number in numbers] for row in rows]


def print_json(document: Any) -> None:
    """Print one JSON document to standard output; each entry of a list takes a line.

    With every value on a line of its own, 10,000 partitions would take longer to print than to plan.
    """
    sys.stdout.write(f"{_laid_out(document, '')}\n")


def _laid_out(value: Any, margin: str) -> str:
    within = f"{margin}  "
    if isinstance(value, dict) and value:
        entries = [
            f"{within}{_in_line(str(name))}: {_laid_out(each, within)}" for name, each in value.items()
        ]
        return "{\n" + ",\n".join(entries) + f"\n{margin}}}"
    if isinstance(value, list | tuple) and value:
        return "[\n" + ",\n".join(f"{within}{_in_line(each)}" for each in value) + f"\n{margin}]"
    return _in_line(value)


def _in_line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def say(line: str = "") -> None:
    """Print a line to standard output."""
    print(line)


def warn(line: str) -> None:
    """Print a line to standard error."""
    print(line, file=sys.stderr)


@contextmanager
def only_a_document() -> Iterator[None]:
    """Leave out what goes to standard error, where that would end up within the document on standard output.

    spark-submit runs Python with both merged into one; so does `2>&1`. What is left out here, the document
    tells as well.
    """
    if not _outputs_are_one():
        yield
        return
    with redirect_stderr(io.StringIO()):
        yield


def _outputs_are_one() -> bool:
    try:
        output, errors = os.fstat(sys.stdout.fileno()), os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):  # one of them is closed, or no file
        return False
    return os.path.samestat(output, errors) and not sys.stdout.isatty()
