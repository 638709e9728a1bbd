"""Small files merged: compact."""

from typing import Annotated

import typer

from loader.cli.arguments import OPERATE, AsJson, ConfigPath, LogFormatOption, TopicOption, end
from loader.cli.logs import LogFormat, open_log

app = typer.Typer()


@app.command(
    "compact",
    rich_help_panel=OPERATE,
    epilog="Example: kafka-loader compact conf/quickstart.toml --dry-run",
)
def compact_command(
    config: ConfigPath,
    topic: TopicOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be merged; write nothing.")
    ] = False,
    as_json: AsJson = False,
    log_format: LogFormatOption = LogFormat.TEXT,
) -> None:
    """Merge small files of closed hours into files of write.target_file_bytes: the same rows, in one commit.

    An hour is closed an hour after its end; where folders have no time, a file an hour after its commit.
    Runs may go on beside it.
    """
    log = open_log(log_format, config)

    def run() -> int:
        from loader.cli.compact import run_compact

        return run_compact(config, topic, dry_run, as_json, log)

    end(config, as_json, run, log)
