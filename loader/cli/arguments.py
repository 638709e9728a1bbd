"""What all commands share: the panels of help, common arguments, and how a command ends."""

import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from loader.cli.logs import EventLog, LogFormat, with_warnings_of_rooms, without_logins
from loader.errors import LoaderError

INTERRUPTED = 130
"""How a program says that Ctrl-C ended it."""

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
        "--config",
        "-c",
        metavar="CONFIG",
        help="A job file, TOML, of which \\[kafka] is read.",
        show_default=False,
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
LogFormatOption = Annotated[
    LogFormat,
    typer.Option("--log-format", help="Of what is logged to standard error: text, or JSON lines."),
]
Processes = Annotated[
    int | None,
    typer.Option(
        min=1, help="Worker processes of --engine local; one per core by default.", show_default=False
    ),
]
OneTopic = Annotated[str, typer.Option("--topic", help="The topic.", show_default=False)]
Partition = Annotated[
    int | None, typer.Option("--partition", min=0, help="Only this partition.", show_default=False)
]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the history.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Write without asking.")]
TopicOption = Annotated[str | None, typer.Option("--topic", help="Only this topic.", show_default=False)]


class Told(int):
    """An exit status whose reason standard error has been told."""


def end(config: Path, as_json: bool, command: Callable[[], int], log: EventLog | None = None) -> NoReturn:
    """Run a command on a job and exit with its status; an error's choices name that job's file.

    log  what the command logs to: where that is JSON, its end by an error is a line of it, too
    """
    from loader.cli import text
    from loader.cli.failures import failure_document, tell_failure, told

    try:
        with nullcontext() if log is None else with_warnings_of_rooms(log):
            status = command()
    except LoaderError as error:
        with text.only_a_document() if as_json else nullcontext():
            if log is not None and log.is_json:
                tell_failure(log, "failed", error)
            else:
                print(f"kafka-loader: {without_logins(told(error, config))}", file=sys.stderr)
        if as_json:
            text.print_json({"exit_status": error.exit_status, "error": failure_document(error, config)})
        status = error.exit_status
    except (Exception, KeyboardInterrupt) as error:
        if log is None or not log.is_json or isinstance(error, BrokenPipeError):
            raise
        raise SystemExit(Told(_tell_end(log, error))) from None
    raise typer.Exit(status)


def _tell_end(log: EventLog, error: BaseException) -> int:
    """One line for what no command expects; the exit status."""
    if isinstance(error, KeyboardInterrupt):
        log.error("interrupted", "interrupted. What was not committed is not visible; run again.")
        return INTERRUPTED
    log.error(
        "crashed", f"a bug: {error!r}", exit_status=1, traceback="".join(traceback.format_exception(error))
    )
    return 1
