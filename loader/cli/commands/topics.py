"""Topics as the cluster has them now: topics, topics show."""

from pathlib import Path
from typing import Annotated

import typer

from loader.cli.arguments import KAFKA, AsJson, KafkaConfigOption, ServersOption, end
from loader.cli.commands.listing import ListsByDefault

app = typer.Typer()

topics_app = typer.Typer(
    cls=ListsByDefault,
    help="Topics as Kafka has them now: partitions, offsets, sizes, rates, retention. Reads only.\n\n"
    "Without a command it lists them; the options of that: kafka-loader topics list --help.",
    epilog="Example: kafka-loader topics --config conf/quickstart.toml",
)
app.add_typer(topics_app, name="topics", rich_help_panel=KAFKA)


@topics_app.command(
    "list",
    help="List topics; with --config, also which of them the job loads.\n\n"
    "Begin, end and size are sums over the partitions: first offsets, high watermarks, and bytes of the"
    " leaders' logs, one copy. Records may be fewer than offsets. records/s is the average of the last 10"
    " minutes, by the records' timestamps. Retention by size is that of each partition. Where a broker does"
    " not answer, >= stands before what the others hold.",
    epilog="Example: kafka-loader topics 'flights.*' --config conf/quickstart.toml",
)
def topics_list_command(
    pattern: Annotated[
        str | None,
        typer.Argument(
            metavar="PATTERN",
            help="A regular expression for the whole name, as in \\[\\[topics]].pattern.",
            show_default=False,
        ),
    ] = None,
    config: KafkaConfigOption = None,
    bootstrap_servers: ServersOption = None,
    internal: Annotated[
        bool, typer.Option("--internal", help="Also Kafka's own topics, like __consumer_offsets.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List topics."""
    from loader.cli.topics import list_topics

    end(
        config or Path("CONFIG"),
        as_json,
        lambda: list_topics(pattern, config, bootstrap_servers, internal, as_json),
    )


@topics_app.command(
    "show",
    help="Show one topic: ids, config, and of each partition leader, replicas, offsets, size, newest record."
    "\n\n"
    "A log begins at its first offset and ends before the high watermark; what read_committed may see ends"
    " at stable, which is lower while a transaction is open. The newest record is that with the highest"
    " timestamp.",
    epilog="Example: kafka-loader topics show flights --config conf/quickstart.toml",
)
def topics_show_command(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The topic.", show_default=False)],
    config: KafkaConfigOption = None,
    bootstrap_servers: ServersOption = None,
    as_json: AsJson = False,
) -> None:
    """Show one topic."""
    from loader.cli.topics import show_topic

    end(config or Path("CONFIG"), as_json, lambda: show_topic(topic, config, bootstrap_servers, as_json))
