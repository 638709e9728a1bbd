"""The position, moved by a person: position set, rewind, undo."""

from typing import Annotated

import typer

from loader.cli.agreement import Agreement
from loader.cli.arguments import (
    CHANGE,
    AsJson,
    ConfigPath,
    LogFormatOption,
    OneTopic,
    Partition,
    Reason,
    TopicOption,
    Yes,
    end,
)
from loader.cli.logs import LogFormat, open_log

app = typer.Typer()

position_app = typer.Typer(
    help="Move where the next run begins: shows what that means, and asks. Nothing loaded is lost by it.",
    epilog='Example: kafka-loader position undo conf/quickstart.toml --reason "wrong topic"',
    no_args_is_help=True,
)
app.add_typer(position_app, name="position", rich_help_panel=CHANGE)


@position_app.command(
    "set",
    epilog="Example: kafka-loader position set conf/quickstart.toml --topic flights"
    ' --to 2026-11-01T00:00:00Z --reason "schema was wrong"',
)
def position_set_command(
    config: ConfigPath,
    topic: OneTopic,
    to: Annotated[
        str,
        typer.Option(
            help="earliest, latest, an offset, a time like 2026-11-01T00:00:00Z, or a span before now: 2h.",
            show_default=False,
        ),
    ],
    reason: Reason,
    partition: Partition = None,
    yes: Yes = False,
    as_json: AsJson = False,
    log_format: LogFormatOption = LogFormat.TEXT,
) -> None:
    """Let the next run begin at a place. Rows of offsets loaded again are replaced."""
    from loader.cli.position import set_position

    agreement = Agreement(reason, yes, as_json, open_log(log_format, config))
    end(config, as_json, lambda: set_position(config, topic, partition, to, agreement), agreement.log)


@position_app.command(
    "rewind",
    epilog="Example: kafka-loader position rewind conf/quickstart.toml --topic flights --by 1000"
    ' --reason "values were cut"',
)
def position_rewind_command(
    config: ConfigPath,
    topic: OneTopic,
    by: Annotated[int, typer.Option(min=1, help="How many offsets, in each partition.", show_default=False)],
    reason: Reason,
    partition: Partition = None,
    yes: Yes = False,
    as_json: AsJson = False,
    log_format: LogFormatOption = LogFormat.TEXT,
) -> None:
    """Let the next run load the newest offsets again; their rows are replaced."""
    from loader.cli.position import rewind

    agreement = Agreement(reason, yes, as_json, open_log(log_format, config))
    end(config, as_json, lambda: rewind(config, topic, partition, by, agreement), agreement.log)


@position_app.command(
    "undo", epilog='Example: kafka-loader position undo conf/quickstart.toml --reason "wrong topic"'
)
def position_undo_command(
    config: ConfigPath,
    reason: Reason,
    topic: TopicOption = None,
    yes: Yes = False,
    as_json: AsJson = False,
    log_format: LogFormatOption = LogFormat.TEXT,
) -> None:
    """Put the position back to where it was before it was moved last."""
    from loader.cli.position import undo

    agreement = Agreement(reason, yes, as_json, open_log(log_format, config))
    end(config, as_json, lambda: undo(config, topic, agreement), agreement.log)
