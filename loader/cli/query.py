"""`kafka-loader query`: SQL over the tables of a job, by DuckDB. Asks no broker."""

import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.console import Console

from loader.cli import text
from loader.config.load import load_config
from loader.errors import ConfigError
from loader.storage.opening import open_storage
from loader.tables.tables import read_newest

if TYPE_CHECKING:
    from loader.tables.sql import TextAnswer

DEFAULT_LIMIT = 100
"""Rows that are printed as text: a screen or two."""

EXPLAINED = ("explain_key", "explain_value")
"""The columns of DuckDB's EXPLAIN, whose second is a drawing."""

NULL = "NULL"
GAP = "  "


def query(config: Path, sql: str, as_json: bool, as_csv: bool, limit: int | None) -> int:
    """Print the answer to a query, and return the exit status."""
    if as_json and as_csv:
        raise ConfigError(["--json and --csv: choose one"])
    job = load_config(config).job
    storage = open_storage(job.destination)
    asked = sys.stdin.read() if sql == "-" else sql
    from loader.tables.sql import ask_for_json, ask_for_text  # after the job file: DuckDB may be missing

    # The whole answer before a line of it: the query begins again where a commit takes files away meanwhile.
    if as_json:
        rows = read_newest(storage, job.name, lambda tables: ask_for_json(tables, asked, limit))
        text.say("[" + ",\n ".join(rows) + "]")
        return 0
    most = limit if as_csv else limit or DEFAULT_LIMIT
    answer = read_newest(storage, job.name, lambda tables: ask_for_text(tables, asked, most))
    if answer is None:
        return 0
    if as_csv:
        _print_csv(answer)
    else:
        for line in _lines(answer.columns, answer.numeric, answer.rows):
            text.say(line)
    if answer.has_more:
        text.warn(f"these are the first {text.plural(len(answer.rows), 'row')}; more by --limit")
    elif not answer.rows and not as_csv:
        text.warn("no rows")
    return 0


def _print_csv(answer: "TextAnswer") -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows(answer.rows)


def _lines(
    columns: Sequence[str], numeric: Sequence[bool], rows: Sequence[tuple[str | None, ...]]
) -> Iterator[str]:
    """A table; where a terminal is too narrow for it, one line for each value, cut at the terminal's edge."""
    if tuple(columns) == EXPLAINED:
        yield from (str(value) for _, value in rows)
        return
    cells = [columns, *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    console = Console()
    width = console.width if console.is_terminal else None
    if width is None or sum(widths) + len(GAP) * (len(widths) - 1) <= width:
        for row in cells:
            yield GAP.join(map(_aligned, row, widths, numeric)).rstrip()
        return
    name_width = max(map(cell_len, columns))
    for number, row in enumerate(cells[1:], 1):
        yield f"row {number}"
        for name, value in zip(columns, row, strict=True):
            yield _cut(f"{GAP}{set_cell_size(name, name_width)}{GAP}{value}", width)


def _cell(value: str | None) -> str:
    """A value on one line."""
    return NULL if value is None else value.replace("\n", "\\n").replace("\t", "\\t")


def _aligned(value: str, width: int, is_number: bool) -> str:
    padding = " " * (width - cell_len(value))
    return padding + value if is_number else value + padding


def _cut(line: str, width: int) -> str:
    return line if cell_len(line) <= width else set_cell_size(line, width - 1) + "…"
