"""How `tail` prints records: lines of text, JSON lines, or a table."""

import contextlib
import os
import select
import shutil
import sys
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Protocol

from rich.cells import cell_len, set_cell_size

from loader.cli.output_name import OutputName
from loader.cli.records import headers_shown, json_line, moment_ms, record_document, shown
from loader.operations.live.tail_records import TailRecord

LONGEST_CELL = 60
"""Columns of a terminal that one cell of a table may take, and what follows it does not move."""


class ReaderGone(Exception):
    """Nobody reads standard output any more: the pipe is closed."""


class Output(Protocol):
    """Makes lines of records."""

    def lines(self, records: Sequence[TailRecord]) -> list[str]:
        """The lines of these records."""
        ...


class TextLines:
    """One line for each record: time, place, key, value, headers, with tabs between them, and none within."""

    def lines(self, records: Sequence[TailRecord]) -> list[str]:
        """The lines of these records."""
        return ["\t".join(self._parts(each)) for each in records]

    @staticmethod
    def _parts(record: TailRecord) -> list[str]:
        parts = [moment_ms(record.timestamp_ms), _place(record), shown(record.key), shown(record.value)]
        if record.headers:
            parts.append(headers_shown(record))
        if record.problem:
            parts.append(f"! {shown(record.problem)}")
        return parts


class JsonLines:
    """One JSON object for each record."""

    def lines(self, records: Sequence[TailRecord]) -> list[str]:
        """The lines of these records."""
        return [json_line(record_document(each)) for each in records]


class TableLines:
    """A table that goes on: its heading is above the first records, and they tell how wide its columns are.

    columns  by topic those of its values; other topics have one column for the whole value
    width    of the terminal, which no line passes; None: nothing is cut
    """

    def __init__(
        self, topics: Sequence[str], columns: Mapping[str, tuple[str, ...]], width: int | None
    ) -> None:
        names = list(dict.fromkeys(name for topic in topics for name in columns.get(topic, ())))
        if any(topic not in columns for topic in topics):
            names.append("")
        self._columns = columns
        self._names = names
        self._width = width
        self._widths: list[int] = []

    def lines(self, records: Sequence[TailRecord]) -> list[str]:
        """The lines of these records."""
        rows = [self._row(each) for each in records]
        if rows and not self._widths:
            heading = ["time", "record", "key", *(shown(name) or "value" for name in self._names)]
            columns = zip_longest(heading, *(cells for cells, _ in rows), fillvalue="")
            self._widths = [min(max(map(cell_len, column)), LONGEST_CELL) for column in columns]
            rows.insert(0, (heading, "more" if any(rest for _, rest in rows) else ""))
        return [self._line(cells, rest) for cells, rest in rows]

    def _row(self, record: TailRecord) -> tuple[list[str], str]:
        """The cells, and what follows the last of them: headers, or why there are no columns."""
        cells = [moment_ms(record.timestamp_ms), _place(record), shown(record.key)]
        if record.problem:
            rest = f"! {shown(record.problem)}: {shown(record.value)}"
            return cells, f"{rest}  {headers_shown(record)}" if record.headers else rest
        fields = record.value if isinstance(record.value, dict) else {"": record.value}
        known = self._columns.get(record.topic, ("",))
        cells += [shown(fields.get(name)) if name in known else "" for name in self._names]
        return cells, headers_shown(record)

    def _line(self, cells: list[str], rest: str) -> str:
        wide = [
            _fitted(cell, width, self._width is not None)
            for cell, width in zip(cells, self._widths, strict=False)
        ]
        line = "  ".join([*wide, rest]).rstrip()
        if self._width is None or cell_len(line) <= self._width:
            return line
        return set_cell_size(line, self._width - 1) + "…"


def _fitted(cell: str, width: int, may_cut: bool) -> str:
    if cell_len(cell) <= width:
        return cell + " " * (width - cell_len(cell))
    return set_cell_size(cell, width - 1) + "…" if may_cut else cell


def _place(record: TailRecord) -> str:
    return f"{record.topic_partition}@{record.offset}"


def output(name: OutputName, topics: Sequence[str], columns: Mapping[str, tuple[str, ...]]) -> Output:
    """What makes the lines of one kind of output."""
    match name:
        case OutputName.JSON:
            return JsonLines()
        case OutputName.TABLE:
            width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
            return TableLines(topics, columns, width)
        case _:
            return TextLines()


def write_lines(lines: Sequence[str]) -> None:
    """Print lines, all of them, now. Raises ReaderGone."""
    try:
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
    except BrokenPipeError:
        forget_output()
        raise ReaderGone from None


def check_reader() -> None:
    """Raise ReaderGone where standard output is a pipe that nobody reads any more."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        is_gone = any(events & select.POLLERR for _, events in poll.poll(0))
    except (OSError, ValueError):
        return  # it is no file
    if is_gone:
        forget_output()
        raise ReaderGone


def forget_output() -> None:
    """Let Python's own flush at its end go nowhere: it would complain of the closed pipe."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
