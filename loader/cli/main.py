"""`kafka-loader`: the commands, and how they end.

Exit status: 0 done, or nothing new · 1 a bug · 2 fix the command or the config · 3 run again later ·
4 a person decides · 5 superseded by another run.
"""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

import loader
from loader.cli.arguments import INTERRUPTED, Told
from loader.cli.commands import (
    backfill,
    compact,
    complete,
    groups,
    history,
    infer,
    jobs,
    monitoring,
    position,
    produce,
    quarantine,
    query,
    tail,
    topics,
)
from loader.errors import LoaderError

EXIT_STATUS_HELP = (
    "Exit status: 0 done, or nothing new; 1 a bug; 2 fix the command or the config; 3 run again later;"
    " 4 a person decides; 5 another run committed first."
)

app = typer.Typer(
    help="Copies Kafka topics into Parquet, in parallel, each offset exactly once.",
    epilog=EXIT_STATUS_HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# Help lists them in this order.
for commands in (
    jobs,
    history,
    quarantine,
    query,
    backfill,
    position,
    topics,
    tail,
    produce,
    groups,
    infer,
    complete,
    compact,
    monitoring,
):
    app.add_typer(commands.app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kafka-loader {loader.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    del version


def end_with_status(name: str, command: Callable[[], object]) -> int:
    """Run a command; its errors become one message and an exit status, bugs show their traceback."""
    # kafka-python logs every try that fails; what matters of it is in our errors.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    try:
        command()
    except LoaderError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return error.exit_status
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
        if status == INTERRUPTED and not isinstance(end.code, Told):
            print(f"{name}: interrupted. What was not committed is not visible; run again.", file=sys.stderr)
        return status
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The entry point of `kafka-loader`."""
    # NumPy's linear algebra, which nothing here uses, starts threads that spin for 0.1 s in each process.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return end_with_status("kafka-loader", lambda: app(args=argv, prog_name="kafka-loader"))
