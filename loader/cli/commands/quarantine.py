"""Records that could not be decoded: quarantine list, show, replay."""

from typing import Annotated

import typer

from loader.cli.arguments import LOOK, AsJson, ConfigPath, LogFormatOption, TopicOption, end
from loader.cli.logs import LogFormat, open_log

app = typer.Typer()

quarantine_app = typer.Typer(
    help="What could not be decoded: how much of which kind, the records, and another try at them.",
    epilog="Example: kafka-loader quarantine list conf/quickstart.toml",
    no_args_is_help=True,
)
app.add_typer(quarantine_app, name="quarantine", rich_help_panel=LOOK)


@quarantine_app.command("list", epilog="Example: kafka-loader quarantine list conf/quickstart.toml")
def quarantine_list_command(config: ConfigPath, topic: TopicOption = None, as_json: AsJson = False) -> None:
    """Show how many records could not be decoded, by topic and kind of mistake."""
    from loader.cli.quarantine import list_bad

    end(config, as_json, lambda: list_bad(config, topic, as_json))


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

    end(config, as_json, lambda: show_bad(config, topic, error_class, limit, as_json))


@quarantine_app.command("replay", epilog="Example: kafka-loader quarantine replay conf/quickstart.toml")
def quarantine_replay_command(
    config: ConfigPath,
    topic: TopicOption = None,
    as_json: AsJson = False,
    log_format: LogFormatOption = LogFormat.TEXT,
) -> None:
    """Decode the records that wait again, by what the job file says now, and commit those that are good."""
    from loader.cli.quarantine import replay_bad

    log = open_log(log_format, config)
    end(config, as_json, lambda: replay_bad(config, topic, as_json, log), log)
