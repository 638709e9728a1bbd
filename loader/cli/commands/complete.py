"""Up to which time a job is complete: complete."""

from typing import Annotated

import typer

from loader.cli.arguments import OPERATE, AsJson, ConfigPath, TopicOption, end

app = typer.Typer()


@app.command(
    "complete",
    rich_help_panel=OPERATE,
    help="Tell whether everything produced before a moment is loaded and visible: for sensors of schedulers."
    "\n\n"
    "With --until it ends with 0 when every partition has passed the moment, else with 3. Without, it shows"
    " the newest hours of each topic. A partition has passed a moment when nothing from before it is left to"
    " load; one that nobody writes to has passed the time of asking. An open transaction holds its partition"
    " back, and so does a broker that gives no answer. Records that come later than --lateness are loaded all"
    " the same, into the hour of their timestamp.",
    epilog="Example: kafka-loader complete conf/quickstart.toml --until 2026-11-22T10:00:00Z --wait 600",
)
def complete_command(
    config: ConfigPath,
    topic: TopicOption = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="With zone: 2026-11-22T10:00:00Z. Exclusive.", show_default=False),
    ] = None,
    last_hours: Annotated[
        int, typer.Option(min=1, max=24 * 366, help="Without --until: so many hours, the newest.")
    ] = 6,
    lateness: Annotated[
        int,
        typer.Option(
            min=0, metavar="SECONDS", help="How long records may take from their timestamp to Kafka."
        ),
    ] = 60,
    wait: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="SECONDS", help="Ask again until it is so, this long.", show_default=False
        ),
    ] = None,
    mark: Annotated[
        bool,
        typer.Option("--mark", help="Put an empty file _COMPLETE into each folder of time that is complete."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell whether everything produced before a moment is loaded and visible."""
    from loader.cli.complete import complete

    end(
        config,
        as_json,
        lambda: complete(config, topic, until, last_hours, lateness, wait, mark, as_json),
    )
