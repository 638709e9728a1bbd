"""Consumer groups as they are now: groups, groups show."""

from pathlib import Path
from typing import Annotated

import typer

from loader.cli.arguments import KAFKA, AsJson, KafkaConfigOption, ServersOption, end
from loader.cli.commands.listing import ListsByDefault

app = typer.Typer()

groups_app = typer.Typer(
    cls=ListsByDefault,
    help="Consumer groups as they are now: members, positions, lag. Reads only.\n\n"
    "Without a command it lists them; the options of that: kafka-loader groups list --help.",
    epilog="Example: kafka-loader groups --config conf/quickstart.toml",
)
app.add_typer(groups_app, name="groups", rich_help_panel=KAFKA)


@groups_app.command(
    "list",
    help="List consumer groups, of the classic protocol and of KIP-848.\n\n"
    "Lag is the sum over the partitions of the offsets between position and high watermark. Partitions"
    " without a position count nothing.",
    epilog="Example: kafka-loader groups 'billing-.*' --config conf/quickstart.toml",
)
def groups_list_command(
    pattern: Annotated[
        str | None,
        typer.Argument(
            metavar="PATTERN", help="A regular expression for the whole name.", show_default=False
        ),
    ] = None,
    config: KafkaConfigOption = None,
    bootstrap_servers: ServersOption = None,
    as_json: AsJson = False,
) -> None:
    """List consumer groups."""
    from loader.cli.groups import list_groups

    end(config or Path("CONFIG"), as_json, lambda: list_groups(pattern, config, bootstrap_servers, as_json))


@groups_app.command(
    "show",
    help="Show one consumer group: its members, and its position and lag in each partition.\n\n"
    "The position is the next offset to read, as it was committed; the end is the high watermark. When a"
    " position was committed Kafka does not tell.",
    epilog="Example: kafka-loader groups show billing --config conf/quickstart.toml",
)
def groups_show_command(
    group: Annotated[str, typer.Argument(metavar="GROUP", help="The group.", show_default=False)],
    config: KafkaConfigOption = None,
    bootstrap_servers: ServersOption = None,
    as_json: AsJson = False,
) -> None:
    """Show one consumer group."""
    from loader.cli.groups import show_group

    end(config or Path("CONFIG"), as_json, lambda: show_group(group, config, bootstrap_servers, as_json))
