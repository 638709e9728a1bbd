"""What each commit did: history, history show, history diff."""

from typing import Annotated

import typer

from loader.cli.arguments import LOOK, AsJson, ConfigPath, TopicOption, end
from loader.cli.commands.listing import ListsByDefault

app = typer.Typer()

history_app = typer.Typer(
    cls=ListsByDefault,
    help="What each commit did: when, by whom, how many rows, files and offsets, and why. Reads the ledger"
    " only, no broker.\n\n"
    "Without a command it lists the newest commits; the options of that, like --topic, --last and --json:"
    " kafka-loader history list --help. The same as a table for SQL: docs/offsets-table.md.",
    epilog="Example: kafka-loader history conf/quickstart.toml --last 10",
)
app.add_typer(history_app, name="history", rich_help_panel=LOOK)


@history_app.command(
    "list", epilog="Example: kafka-loader history conf/quickstart.toml --topic flights --last 10"
)
def history_list_command(
    config: ConfigPath,
    topic: TopicOption = None,
    last: Annotated[int, typer.Option(min=1, help="How many commits, from the newest.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest commits, oldest first."""
    from loader.cli.history import list_history

    end(config, as_json, lambda: list_history(config, topic, last, as_json))


@history_app.command("show", epilog="Example: kafka-loader history show conf/quickstart.toml 2")
def history_show_command(
    config: ConfigPath,
    version: Annotated[int, typer.Argument(metavar="N", help="The commit's number.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show all of one commit: ranges with their counts, files, how the position moved, changed columns."""
    from loader.cli.history import show_commit

    end(config, as_json, lambda: show_commit(config, version, as_json))


@history_app.command("diff", epilog="Example: kafka-loader history diff conf/quickstart.toml 1 2")
def history_diff_command(
    config: ConfigPath,
    older: Annotated[
        int,
        typer.Argument(metavar="A", min=0, help="The older commit; 0: before the first.", show_default=False),
    ],
    newer: Annotated[int, typer.Argument(metavar="B", help="The newer commit.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show what lies between two commits: rows, files and bytes, how the position moved, new columns."""
    from loader.cli.history import show_difference

    end(config, as_json, lambda: show_difference(config, older, newer, as_json))
