"""The commands for those who operate a job: report, metrics, doctor."""

from pathlib import Path
from typing import Annotated

import typer

from loader.cli.arguments import OPERATE, AsJson, ConfigPath, end
from loader.cli.engines import EngineName

app = typer.Typer()


@app.command(
    "report",
    rich_help_panel=OPERATE,
    epilog="Example: kafka-loader report conf/quickstart.toml --output report.html --last 7d",
)
def report_command(
    config: ConfigPath,
    output: Annotated[
        Path,
        typer.Option(metavar="FILE.html", help="Where to write the page; - is standard output."),
    ] = Path("report.html"),
    last: Annotated[
        str,
        typer.Option(
            metavar="COMMITS|TIME",
            help="What it is about: so many newest commits, or those of the last 90m, 24h, 7d, 4w.",
        ),
    ] = "10000",
    as_json: AsJson = False,
) -> None:
    """Make a page about a job, for a browser: volume, lag, run times, rows per topic and hour, what is wrong.

    It is one file that runs nothing and fetches nothing, for desks and phones, in light and dark.
    Brokers are asked what waits; where they do not answer, the page says so.
    """
    from loader.cli.report import report

    end(config, as_json, lambda: report(config, output, last, as_json))


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
