"""The tables of a job as views in DuckDB. The only home of duckdb.

Files on local storage DuckDB reads itself, 2 to 3 times as fast as through Arrow. What it cannot reach
(HDFS), and tables some of whose files wait to be published, and so lie in no folders yet, it reads by a
pyarrow dataset.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import pyarrow as pa

from loader.errors import ConfigError
from loader.storage.protocol import Storage
from loader.tables.contents import FOLDER_COLUMNS, Contents, PlacedFile
from loader.tables.dataset import dataset_of
from loader.tables.view_names import mentioned, nearest, quoted, view_names

try:
    import duckdb
except ImportError as error:
    raise ConfigError(
        ["SQL needs DuckDB, which is not installed: pip install 'kafka-hadoop-loader[query]'"]
    ) from error

T = TypeVar("T")

_NUMBERS = {
    *("tinyint", "smallint", "integer", "bigint", "hugeint", "float", "double", "decimal"),
    *("utinyint", "usmallint", "uinteger", "ubigint", "uhugeint"),
}
_FILE_URL = "file://"
_HANDOVER = "kafka_loader_left_out"
_BESIDE = "kafka_loader"
"""A database in memory, for what views are made of."""
_UNKNOWN_TABLE = re.compile(r'Table with name "?(.+?)"? does not exist')


class SqlTables(Protocol):
    """What SQL needs of the tables of a job: `Tables` of this room."""

    @property
    def storage(self) -> Storage:
        """Where the files lie."""
        ...

    def __iter__(self) -> Iterator[str]: ...

    def __len__(self) -> int: ...

    def __contains__(self, name: object) -> bool: ...

    def contents(self, name: str) -> Contents | pa.Table:
        """The files of a table, or its rows where it lies in none of its own."""
        ...

    def reading(self, files: Iterable[PlacedFile]) -> AbstractContextManager[None]:
        """Tells in its own words when a file is gone while the body reads."""
        ...


def ask(tables: SqlTables, sql: str, read: Callable[[duckdb.DuckDBPyRelation], T]) -> T | None:
    """What `read` makes of the answer to a query; None where SQL has none. Raises as `Tables.query` does."""
    views = view_names(tables)
    contents = _contents(tables, {view: views[view] for view in mentioned(sql, views)})
    connection = duckdb.connect()
    try:
        with _told(views), tables.reading(_files(contents)):
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET python_enable_replacements = false")  # the variables of this program
            _add_views(tables, contents, connection)
            answer = connection.sql(sql)
            return None if answer is None else read(answer)
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class TextAnswer:
    r"""An answer as DuckDB writes each value: times in UTC; bytes as text, or as \xC3 where that is none.

    A null is None.

    columns   the names, each once
    numeric   which columns hold numbers
    has_more  whether there are more rows than were asked for
    """

    columns: Sequence[str]
    numeric: Sequence[bool]
    rows: Sequence[tuple[str | None, ...]]
    has_more: bool


def ask_for_text(tables: SqlTables, sql: str, limit: int | None) -> TextAnswer | None:
    """The first `limit` rows of an answer, or all. Raises as `ask` does."""

    def read(answer: duckdb.DuckDBPyRelation) -> TextAnswer:
        numeric = [each.id in _NUMBERS for each in answer.types]
        first = answer if limit is None else answer.limit(limit + 1)
        texts = _readable(first).project("CAST(COLUMNS(*) AS VARCHAR)")
        rows = texts.fetchall()
        return TextAnswer(texts.columns, numeric, rows[:limit], limit is not None and len(rows) > limit)

    return ask(tables, sql, read)


def ask_for_json(tables: SqlTables, sql: str, limit: int | None) -> Sequence[str]:
    """The first `limit` rows of an answer, or all, each as one JSON object; else as `ask_for_text`."""

    def read(answer: duckdb.DuckDBPyRelation) -> Sequence[str]:
        first = answer if limit is None else answer.limit(limit)
        return [text for (text,) in _readable(first).set_alias("__row").project("to_json(__row)").fetchall()]

    return ask(tables, sql, read) or ()


def _readable(answer: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The same with text in the place of bytes that are UTF-8, as those of raw topics mostly are."""
    selected = []
    unique = answer.project("*")  # of two columns with one name, the second gets another
    for name, column_type in zip(unique.columns, unique.types, strict=True):
        column = quoted(name)
        text = f"coalesce(TRY(decode({column})), CAST({column} AS VARCHAR)) AS {column}"
        selected.append(text if column_type.id == "blob" else column)
    return unique.project(", ".join(selected))


def connected(tables: SqlTables, connection: duckdb.DuckDBPyConnection | None) -> duckdb.DuckDBPyConnection:
    """A connection with temporary views of all tables; raises as `Tables.to_duckdb` does."""
    contents = _contents(tables, view_names(tables))
    if connection is None:
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
    with tables.reading(_files(contents)):
        _add_views(tables, contents, connection)
    return connection


def _contents(tables: SqlTables, views: Mapping[str, str]) -> dict[str, Contents | pa.Table]:
    """By the name of a view, what it shows."""
    found = {table: tables.contents(table) for table in set(views.values())}
    return {view: found[table] for view, table in views.items()}


def _files(contents: Mapping[str, Contents | pa.Table]) -> list[PlacedFile]:
    return [file for each in contents.values() if isinstance(each, Contents) for file in each.files]


@contextmanager
def _told(views: Collection[str]) -> Iterator[None]:
    """Raises ConfigError for what DuckDB does not understand, with the views that are named nearly so."""
    try:
        yield
    except duckdb.InterruptException as error:
        raise KeyboardInterrupt from error
    except duckdb.Error as error:
        told = str(error)
        unknown = _UNKNOWN_TABLE.search(told)
        if unknown:  # DuckDB's own proposal is one of its system tables
            told = re.sub(r"\nDid you mean.*", "", told) + f"\n{nearest(unknown[1], views)}"
        raise ConfigError([told]) from error


def _add_views(
    tables: SqlTables, contents: Mapping[str, Contents | pa.Table], connection: duckdb.DuckDBPyConnection
) -> None:
    for view, each in contents.items():
        if isinstance(each, Contents):
            _add_view(tables.storage, view, each, connection)
        else:
            connection.register(view, each)


def _add_view(storage: Storage, view: str, contents: Contents, connection: duckdb.DuckDBPyConnection) -> None:
    """One view, of files that DuckDB reads itself or that Arrow reads for it."""
    left_out = contents.left_out_places()
    if _is_direct(storage, contents):
        rows = _direct(storage, contents, connection)
    else:
        dataset = dataset_of(storage, contents.files, contents.schema)
        if left_out is None:
            connection.register(view, dataset)
            return
        files = f"{view} (files)"
        connection.register(files, dataset)
        rows = f"SELECT * FROM {quoted(files)}"
    if left_out is not None:
        # Not by a registered name: SHOW TABLES would list it with the views.
        connection.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {_BESIDE}")
        table = f"{_BESIDE}.{quoted(view)}"
        connection.register(_HANDOVER, left_out)
        connection.execute(f"CREATE OR REPLACE TABLE {table} AS FROM {_HANDOVER}")
        connection.unregister(_HANDOVER)
        rows = f'SELECT * FROM ({rows}) ANTI JOIN {table} USING (topic, "partition", "offset")'
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(view)} AS {rows}")


def _is_direct(storage: Storage, contents: Contents) -> bool:
    is_published = all(file.is_published for file in contents.files)
    return storage.url.startswith(_FILE_URL) and is_published and bool(contents.files)


def _direct(storage: Storage, contents: Contents, connection: duckdb.DuckDBPyConnection) -> str:
    """A query of files on local storage, which lie as their folders tell."""
    root = storage.url.removeprefix(_FILE_URL)
    types = map(str, connection.from_arrow(contents.schema.empty_table()).types)
    columns = dict(zip(contents.schema.names, types, strict=True))
    parts = []
    for folders in dict.fromkeys(file.folders for file in contents.files):  # one layout at a time
        paths = [f"{root}/{file.location}" for file in contents.files if file.folders == folders]
        parts.append(_selected(connection, _scan(paths, folders, contents.is_uniform), columns))
    return " UNION ALL ".join(parts)


def _scan(paths: Sequence[str], folders: Sequence[str], is_uniform: bool) -> str:
    """DuckDB's reading of Parquet files in folders of one layout."""
    literals = ", ".join(_literal(path.replace("[", "[[]")) for path in paths)  # paths here are patterns
    options = [f"union_by_name = {not is_uniform}", f"hive_partitioning = {bool(folders)}"]
    if folders:
        types = {field.name: "DATE" if field.name == "dt" else "INTEGER" for field in FOLDER_COLUMNS}
        options.append(f"hive_types = {{{', '.join(f'{name}: {types[name]}' for name in folders)}}}")
    return f"read_parquet([{literals}], {', '.join(options)})"


def _selected(connection: duckdb.DuckDBPyConnection, scan: str, columns: Mapping[str, str]) -> str:
    """A scan with these columns and types: what its files lack is null, and narrower types are cast."""
    found = connection.sql(f"SELECT * FROM {scan}")
    types = dict(zip(found.columns, map(str, found.types), strict=True))
    selected = [
        quoted(name)
        if types.get(name) == wanted
        else f"CAST({quoted(name) if name in types else 'NULL'} AS {wanted}) AS {quoted(name)}"
        for name, wanted in columns.items()
    ]
    return f"SELECT {', '.join(selected)} FROM {scan}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
