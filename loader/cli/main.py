"""`kafka-loader`: the commands, and how they end.

Exit status: 0 done, or nothing new · 1 a bug · 2 fix the command or the config · 3 run again later ·
4 a person decides · 5 superseded by another run.
"""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, NoReturn

import typer

import loader
from loader.cli.engines import EngineName
from loader.errors import LoaderError

INTERRUPTED = 130
"""How a program says that Ctrl-C ended it."""

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

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="The job file, TOML.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Processes = Annotated[
    int | None,
    typer.Option(
        min=1, help="Worker processes of --engine local; one per core by default.", show_default=False
    ),
]


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


@app.command("run", epilog="Example: kafka-loader run conf/quickstart.toml --engine local")
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
    as_json: AsJson = False,
) -> None:
    """Load what is new in Kafka, once: files and the new position in one commit."""
    from loader.cli.run import run

    _end(config, as_json, lambda: run(config, engine, processes, as_json, accept_loss))


@app.command("plan", epilog="Example: kafka-loader plan conf/quickstart.toml")
def plan_command(config: ConfigPath, as_json: AsJson = False) -> None:
    """Show what the next run would load. Writes nothing and never starts Spark."""
    from loader.cli.plan import plan

    _end(config, as_json, lambda: plan(config, as_json))


@app.command("status", epilog="Example: kafka-loader status conf/quickstart.toml")
def status_command(config: ConfigPath, as_json: AsJson = False) -> None:
    """Show where the job stands, per partition, and how far behind Kafka it is."""
    from loader.cli.status import status

    _end(config, as_json, lambda: status(config, as_json))


@app.command("offsets", epilog="Example: kafka-loader offsets conf/quickstart.toml --topic flights --last 10")
def offsets_command(
    config: ConfigPath,
    topic: Annotated[str | None, typer.Option(help="Only this topic.", show_default=False)] = None,
    last: Annotated[int, typer.Option(min=1, help="How many commits, from the newest.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show which offsets each commit loaded. Reads the ledger only, no broker."""
    from loader.cli.offsets import offsets

    _end(config, as_json, lambda: offsets(config, topic, last, as_json))


@app.command("verify", epilog="Example: kafka-loader verify conf/quickstart.toml --deep")
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

    _end(config, as_json, lambda: verify_job(config, deep, against_kafka, as_json))


@app.command("repair", epilog="Example: kafka-loader repair conf/quickstart.toml")
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
) -> None:
    """Rebuild a damaged ledger from good commits and published files: shows what it finds, and asks."""
    from loader.cli.repair import repair

    _end(config, as_json, lambda: repair(config, yes, accept_loss, as_json))


quarantine_app = typer.Typer(
    help="What could not be decoded: how much of which kind, the records, and another try at them.",
    epilog="Example: kafka-loader quarantine list conf/quickstart.toml",
    no_args_is_help=True,
)
app.add_typer(quarantine_app, name="quarantine")
TopicOption = Annotated[str | None, typer.Option("--topic", help="Only this topic.", show_default=False)]


@quarantine_app.command("list", epilog="Example: kafka-loader quarantine list conf/quickstart.toml")
def quarantine_list_command(config: ConfigPath, topic: TopicOption = None, as_json: AsJson = False) -> None:
    """Show how many records could not be decoded, by topic and kind of mistake."""
    from loader.cli.quarantine import list_bad

    _end(config, as_json, lambda: list_bad(config, topic, as_json))


@quarantine_app.command("show", epilog="Example: kafka-loader quarantine show conf/quickstart.toml flights")
def quarantine_show_command(
    config: ConfigPath,
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The topic.", show_default=False)],
    error_class: Annotated[
        str | None,
        typer.Option("--error", help="Only this kind of mistake, like not-json.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many records, from the first.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show records that could not be decoded: where, why, and how they begin; --json has all their bytes."""
    from loader.cli.quarantine import show_bad

    _end(config, as_json, lambda: show_bad(config, topic, error_class, limit, as_json))


@quarantine_app.command("replay", epilog="Example: kafka-loader quarantine replay conf/quickstart.toml")
def quarantine_replay_command(config: ConfigPath, topic: TopicOption = None, as_json: AsJson = False) -> None:
    """Decode the records that wait again, by what the job file says now, and commit those that are good."""
    from loader.cli.quarantine import replay_bad

    _end(config, as_json, lambda: replay_bad(config, topic, as_json))


@app.command("infer", epilog="Example: kafka-loader infer flights --config conf/quickstart.toml")
def infer_command(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="A topic of JSON.", show_default=False)],
    config: Annotated[
        Path | None, typer.Option(metavar="CONFIG", help="A job file with [kafka], TOML.", show_default=False)
    ] = None,
    bootstrap_servers: Annotated[
        str | None,
        typer.Option(help="host:port of brokers, with commas; instead of a job file.", show_default=False),
    ] = None,
    sample: Annotated[int, typer.Option(min=1, help="How many of the newest records to look at.")] = 10_000,
    as_json: AsJson = False,
) -> None:
    """Propose columns for a topic of JSON: prints a block to paste into a job file. Reads only."""
    from loader.cli.infer import infer

    _end(config or Path("CONFIG"), as_json, lambda: infer(topic, config, bootstrap_servers, sample, as_json))


def _end(config: Path, as_json: bool, command: Callable[[], int]) -> NoReturn:
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
        if status == INTERRUPTED:
            print(f"{name}: interrupted. What was not committed is not visible; run again.", file=sys.stderr)
        return status
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The entry point of `kafka-loader`."""
    # NumPy's linear algebra, which nothing here uses, starts threads that spin for 0.1 s in each process.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return end_with_status("kafka-loader", lambda: app(args=argv, prog_name="kafka-loader"))
