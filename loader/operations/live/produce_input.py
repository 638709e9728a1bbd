"""What records to send are read from: standard input, files, folders; on this host, or in HDFS."""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from io import BufferedIOBase
from pathlib import Path
from typing import cast

from loader.errors import ConfigError, PathNotFound
from loader.kafka_source.batch_builder import Outgoing
from loader.operations.live.produced_lines import LineFormat, LineOf, json_record, read_lines
from loader.operations.live.produced_rows import read_records
from loader.storage.opening import open_storage
from loader.storage.protocol import Storage
from loader.tables.ordered_rows import RowFile

STANDARD_INPUT = "standard input"


class InputFormat(StrEnum):
    """What the input is made of."""

    LINES = "lines"
    JSON = "json"
    PARQUET = "parquet"


ENDINGS = {
    ".parquet": InputFormat.PARQUET,
    ".json": InputFormat.JSON,
    ".jsonl": InputFormat.JSON,
    ".ndjson": InputFormat.JSON,
}
"""Any other is of lines; a folder is of Parquet."""


def open_input(
    names: Sequence[str], wanted: InputFormat | None, line_format: LineFormat, standard_input: BufferedIOBase
) -> tuple[InputFormat, Iterator[Outgoing]]:
    """The format of the input, and its records; names are paths of this host, or file:// and hdfs:// URLs.

    wanted  None: what the endings of the names say; lines for standard input

    Raises ConfigError for names that do not exist or go together, before anything is read; reading raises
    MalformedInput and what storages raise.
    """
    if not names:
        if wanted is InputFormat.PARQUET:
            raise ConfigError(["--from parquet: name the files; Parquet cannot be read from standard input"])
        of_line = json_record if wanted is InputFormat.JSON else line_format.record
        return wanted or InputFormat.LINES, read_lines(standard_input, STANDARD_INPUT, of_line)
    files = [file for name in names for file in _files(name)]
    formats = {wanted or _format(file.path) for file in files}
    if len(formats) > 1:
        told = " and ".join(sorted(formats))
        raise ConfigError(
            [f"the files are {told} by their endings: say which by --from, or name one kind only"]
        )
    found = formats.pop()
    if found is InputFormat.PARQUET:
        return found, read_records(files)
    return found, _lines(files, json_record if found is InputFormat.JSON else line_format.record)


def _format(path: str) -> InputFormat:
    return ENDINGS.get(Path(path).suffix.lower(), InputFormat.LINES)


def _lines(
    files: Sequence[RowFile], record_of: Callable[[bytes, LineOf], Outgoing | None]
) -> Iterator[Outgoing]:
    for each in files:
        with each.storage.open(each.path) as file:
            yield from read_lines(cast(BufferedIOBase, file), str(each).removeprefix("file://"), record_of)


def _files(name: str) -> list[RowFile]:
    """The file of that name, or the Parquet files below the folder of that name that readers of it see."""
    url = name if "://" in name else f"file://{Path(name).absolute()}"
    folder, _, last = url.rstrip("/").rpartition("/")
    try:
        storage = open_storage(folder)
        is_folder = storage.status(last).is_folder
    except PathNotFound:
        raise ConfigError([f"{name}: no such file or folder"]) from None
    if not is_folder:
        return [RowFile(storage, last)]
    found = [RowFile(storage, path) for path in _visible(storage, last) if path.endswith(".parquet")]
    if not found:
        raise ConfigError([f"{name}: a folder without Parquet files"])
    return found


def _visible(storage: Storage, folder: str) -> Iterator[str]:
    for entry in storage.list(folder):
        if entry.path.rpartition("/")[2].startswith(("_", ".")):
            continue
        if entry.is_folder:
            yield from _visible(storage, entry.path)
        else:
            yield entry.path
