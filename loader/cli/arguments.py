"""What all commands share: the panels of help, common arguments, and how a command ends."""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from loader.errors import LoaderError

# The panels of help, in the order of their first commands.
LOAD = "Load"
LOOK = "Look at a job"
CHANGE = "Change what is loaded"
KAFKA = "Look at Kafka"
OPERATE = "Operate"

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="The job file, TOML.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
KafkaConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="CONFIG", help="A job file with [kafka], TOML.", show_default=False
    ),
]
ServersOption = Annotated[
    str | None,
    typer.Option(
        "--bootstrap-servers",
        "-b",
        help="host:port of brokers, with commas; instead of a job file.",
        show_default=False,
    ),
]
TopicOption = Annotated[str | None, typer.Option("--topic", help="Only this topic.", show_default=False)]


def end(config: Path, as_json: bool, command: Callable[[], int]) -> NoReturn:
    """Run a command on a job and exit with its status; an error's choices name that job's file."""
    from loader.cli import text
    from loader.cli.failures import failure_document, told

    try:
        status = command()
    except LoaderError as error:
        with text.only_a_document() if as_json else nullcontext():
            print(f"kafka-loader: {told(error, config)}", file=sys.stderr)
        if as_json:
            text.print_json({"exit_status": error.exit_status, "error": failure_document(error, config)})
        status = error.exit_status
    raise typer.Exit(status)
