"""SQL over what was loaded: query."""

from typing import Annotated

import typer

from loader.cli.arguments import LOOK, AsJson, ConfigPath, end

app = typer.Typer()


@app.command(
    "query",
    rich_help_panel=LOOK,
    epilog="Example: kafka-loader query conf/quickstart.toml"
    ' "SELECT carrier, count(*) FROM flights GROUP BY carrier"',
)
def query_command(
    config: ConfigPath,
    sql: Annotated[
        str,
        typer.Argument(metavar="SQL", help="A query; - takes it from standard input.", show_default=False),
    ],
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV instead of text; null is nothing.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many rows to print; as text 100 by default, else all.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    r"""Ask DuckDB about the rows of the newest commit, and none of a commit that is half done. Reads only.

    Each topic is a view: orders; "orders.v1", also as orders_v1.
    _offsets tells what each commit loaded, _quarantine what is no row yet.
    SHOW TABLES names all views, DESCRIBE orders the columns of one.
    Times are in UTC; bytes are printed as text, or as \xC3 where that is none.
    """
    from loader.cli.query import query

    end(config, as_json, lambda: query(config, sql, as_json, as_csv, limit))
