"""Offsets loaded again: backfill."""

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
    Processes,
    Yes,
    end,
)
from loader.cli.engines import EngineName
from loader.cli.logs import LogFormat, open_log

app = typer.Typer()


@app.command(
    "backfill",
    rich_help_panel=CHANGE,
    epilog="Example: kafka-loader backfill conf/quickstart.toml --topic flights"
    " --from 2026-11-01T00:00:00Z --until 2026-11-02T00:00:00Z",
)
def backfill_command(
    config: ConfigPath,
    topic: OneTopic,
    begin: Annotated[
        str,
        typer.Option(
            "--from",
            help="earliest, an offset, a span before now like 2h, or a time like 2026-11-01T00:00:00Z:"
            " in each partition its first record, in the order of offsets.",
            show_default=False,
        ),
    ],
    until: Annotated[
        str,
        typer.Option(
            "--until", help="Where it ends, itself not loaded; as --from, and latest is the position."
        ),
    ] = "latest",
    partition: Partition = None,
    reason: Annotated[str, typer.Option(help="Why, for the history.", show_default=False)] = "",
    engine: Annotated[EngineName, typer.Option(help="What runs the tasks.")] = EngineName.LOCAL,
    processes: Processes = None,
    yes: Yes = False,
    as_json: AsJson = False,
    log_format: LogFormatOption = LogFormat.TEXT,
) -> None:
    """Load a stretch of a topic again and replace exactly its rows, in one commit; the position stays."""
    agreement = Agreement(reason, yes, as_json, open_log(log_format, config))

    def run() -> int:
        from loader.cli import process
        from loader.cli.backfill import run_backfill
        from loader.cli.places import parse_place
        from loader.operations.changes.backfill import Asked

        now_ms = process.now_ms()
        places = parse_place("--from", begin, now_ms), parse_place("--until", until, now_ms)
        return run_backfill(config, Asked(topic, partition, *places), engine, processes, agreement)

    end(config, as_json, run, agreement.log)
