"""Columns for a topic that has no schema: infer."""

from pathlib import Path
from typing import Annotated

import typer

from loader.cli.arguments import KAFKA, AsJson, KafkaConfigOption, ServersOption, end

app = typer.Typer()


@app.command(
    "infer", rich_help_panel=KAFKA, epilog="Example: kafka-loader infer flights --config conf/quickstart.toml"
)
def infer_command(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="A topic of JSON.", show_default=False)],
    config: KafkaConfigOption = None,
    bootstrap_servers: ServersOption = None,
    sample: Annotated[int, typer.Option(min=1, help="How many of the newest records to look at.")] = 10_000,
    as_json: AsJson = False,
) -> None:
    """Propose columns for a topic of JSON: prints a block to paste into a job file. Reads only."""
    from loader.cli.infer import infer

    end(config or Path("CONFIG"), as_json, lambda: infer(topic, config, bootstrap_servers, sample, as_json))
