"""The commands about a job as a whole: plan, run, status, verify, repair."""

from typing import Annotated

import typer

from loader.cli.arguments import (
    CHANGE,
    LOAD,
    LOOK,
    AsJson,
    ConfigPath,
    LogFormatOption,
    Processes,
    TopicOption,
    end,
)
from loader.cli.engines import EngineName
from loader.cli.logs import LogFormat, open_log

app = typer.Typer()

AllPartitions = Annotated[
    bool,
    typer.Option("--partitions", help="Show every partition, also where they are many."),
]


@app.command(
    "run", rich_help_panel=LOAD, epilog="Example: kafka-loader run conf/quickstart.toml --engine local"
)
def run_command(
    config: ConfigPath,
    engine: Annotated[EngineName, typer.Option(help="What runs the tasks.")] = EngineName.LOCAL,
    processes: Processes = None,
    accept_loss: Annotated[
        bool,
        typer.Option(
            "--accept-loss",
            help="Go on without offsets that Kafka deleted before they were loaded; the commit names them for"
            " ever.",
        ),
    ] = False,
    run_by: Annotated[
        str,
        typer.Option(
            help="Who runs it, as the commit is to record it: a scheduler names itself and its run.",
            show_default="user@host",
        ),
    ] = "",
    as_json: AsJson = False,
    log_format: LogFormatOption = LogFormat.TEXT,
) -> None:
    """Load what is new in Kafka, once: files and the new position in one commit."""
    from loader.cli.run import run

    log = open_log(log_format, config)
    end(config, as_json, lambda: run(config, engine, processes, as_json, accept_loss, run_by, log), log)


@app.command("plan", rich_help_panel=LOAD, epilog="Example: kafka-loader plan conf/quickstart.toml")
def plan_command(
    config: ConfigPath, topic: TopicOption = None, partitions: AllPartitions = False, as_json: AsJson = False
) -> None:
    """Show what the next run would load, and what it would stop at. Writes nothing, never starts Spark."""
    from loader.cli.plan import plan

    end(config, as_json, lambda: plan(config, topic, partitions, as_json))


@app.command("status", rich_help_panel=LOOK, epilog="Example: kafka-loader status conf/quickstart.toml")
def status_command(
    config: ConfigPath, topic: TopicOption = None, partitions: AllPartitions = False, as_json: AsJson = False
) -> None:
    """Show where the job stands, how far behind Kafka it is, and up to which time it is complete."""
    from loader.cli.status import status

    end(config, as_json, lambda: status(config, topic, partitions, as_json))


@app.command(
    "verify", rich_help_panel=LOOK, epilog="Example: kafka-loader verify conf/quickstart.toml --deep"
)
def verify_command(
    config: ConfigPath,
    deep: Annotated[
        bool, typer.Option("--deep", help="Decode all pages of all files, too; reads every byte.")
    ] = False,
    against_kafka: Annotated[
        bool,
        typer.Option(
            "--against-kafka", help="Compare samples of rows with what the brokers still have, too."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Prove that what was loaded is there, each offset once: ledger, files, offsets. Reads only."""
    from loader.cli.verify import verify_job

    end(config, as_json, lambda: verify_job(config, deep, against_kafka, as_json))


@app.command("repair", rich_help_panel=CHANGE, epilog="Example: kafka-loader repair conf/quickstart.toml")
def repair_command(
    config: ConfigPath,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
    accept_loss: Annotated[
        bool,
        typer.Option(
            "--accept-loss", help="Record as lost what no commit and no file explains, and go on without it."
        ),
    ] = False,
    as_json: AsJson = False,
    log_format: LogFormatOption = LogFormat.TEXT,
) -> None:
    """Rebuild a damaged ledger from good commits and published files: shows what it finds, and asks."""
    from loader.cli.repair import repair

    log = open_log(log_format, config)
    end(config, as_json, lambda: repair(config, yes, accept_loss, as_json, log), log)
