"""The commands for those who operate a job: metrics, doctor."""

from pathlib import Path
from typing import Annotated

import typer

from loader.cli.arguments import OPERATE, AsJson, ConfigPath, end
from loader.cli.engines import EngineName

app = typer.Typer()


@app.command("metrics", rich_help_panel=OPERATE, epilog="Example: kafka-loader metrics conf/quickstart.toml")
def metrics_command(
    config: ConfigPath,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.prom",
            help="Write them to a file of the node exporter's textfile collector. Totals are counted on from"
            " what it holds.",
            show_default=False,
        ),
    ] = None,
    push: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Push them to a Prometheus Pushgateway.", show_default=False),
    ] = None,
    by_partition: Annotated[
        bool,
        typer.Option(
            "--partitions",
            help="Position and lag of each partition, not of each topic: many series where there are many.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell Prometheus where the job stands: position, lag, last commit, rows, quarantine, losses."""
    from loader.cli.metrics import metrics

    end(config, as_json, lambda: metrics(config, output, push, by_partition, as_json))


@app.command(
    "doctor",
    rich_help_panel=OPERATE,
    epilog="Example: kafka-loader doctor conf/quickstart.toml --engine spark",
)
def doctor_command(
    config: ConfigPath,
    engine: Annotated[
        EngineName, typer.Option(help="The engine that runs will use; spark also looks at its executors.")
    ] = EngineName.LOCAL,
    as_json: AsJson = False,
) -> None:
    """Check all that a run needs, and say what to do: versions, destination, brokers, rights, codecs, Spark.

    What it writes to try the destination it removes again.
    """
    from loader.cli.doctor import doctor

    end(config, as_json, lambda: doctor(config, engine, as_json))
