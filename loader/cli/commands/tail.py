"""Records of live topics: tail."""

from pathlib import Path
from typing import Annotated

import typer

from loader.cli.arguments import KAFKA, KafkaConfigOption, ServersOption, end
from loader.cli.output_name import OutputName

app = typer.Typer()


@app.command(
    "tail",
    rich_help_panel=KAFKA,
    epilog="Example: kafka-loader tail flights --config conf/quickstart.toml --follow",
)
def tail_command(
    topics: Annotated[list[str], typer.Argument(metavar="TOPIC", help="The topics.", show_default=False)],
    config: KafkaConfigOption = None,
    bootstrap_servers: ServersOption = None,
    last: Annotated[
        int | None,
        typer.Option(
            "--last",
            "-n",
            min=0,
            metavar="N",
            help="Begin with the newest N of each topic.",
            show_default="10",
        ),
    ] = None,
    begin: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Begin at earliest, latest, a time like 2026-11-01T00:00:00Z, or that long ago: 2h, 7d.",
            show_default=False,
        ),
    ] = None,
    partition: Annotated[
        int | None, typer.Option(min=0, help="Only this partition of each topic.", show_default=False)
    ] = None,
    offset: Annotated[
        int | None, typer.Option(min=0, help="Begin at this offset of --partition.", show_default=False)
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="End after N records.", metavar="N", show_default=False)
    ] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", "-f", help="Go on with what is produced later; space pauses and resumes, q quits."
        ),
    ] = False,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Join this consumer group and follow: members share the partitions, and what was shown is"
            " committed. Where the group has no position yet, it begins at --from earliest or latest.",
            show_default=False,
        ),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Decode nothing, also where the job file names a format.")
    ] = False,
    output: Annotated[
        OutputName, typer.Option("--output", "-o", help="Lines of text, JSON lines, or a table.")
    ] = OutputName.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines: --output json.")] = False,
) -> None:
    """Show records of live topics, the newest or from where you say, decoded as the job file says.

    Ends where the topics end now, unless it follows. Moves no position but that of --group.
    """
    from loader.cli.tail import tail
    from loader.cli.tail_options import TailOptions

    options = TailOptions(
        topics=tuple(topics),
        last=last,
        begin=begin,
        partition=partition,
        offset=offset,
        count=count,
        follows=follow,
        group=group,
    )
    chosen = OutputName.JSON if as_json else output
    # Not as JSON: an error would be one more line among the records.
    end(config or Path("CONFIG"), False, lambda: tail(options, config, bootstrap_servers, raw, chosen))
