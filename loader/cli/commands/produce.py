"""Records into a topic: produce."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from loader.cli.arguments import KAFKA, AsJson, KafkaConfigOption, ServersOption, end

app = typer.Typer()


class FromName(StrEnum):
    """What the input is made of."""

    LINES = "lines"
    JSON = "json"
    PARQUET = "parquet"


class CodecName(StrEnum):
    """How batches are compressed."""

    NONE = "none"
    GZIP = "gzip"
    SNAPPY = "snappy"
    LZ4 = "lz4"
    ZSTD = "zstd"


@app.command(
    "produce",
    rich_help_panel=KAFKA,
    epilog="Example: kafka-loader produce flights -c conf/quickstart.toml --key-separator : < flights.txt",
)
def produce_command(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="It must exist.", show_default=False)],
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help="Files, or folders of Parquet; also file:// and hdfs:// URLs. None: standard input.",
            show_default=False,
        ),
    ] = None,
    config: KafkaConfigOption = None,
    bootstrap_servers: ServersOption = None,
    input_format: Annotated[
        FromName | None,
        typer.Option(
            "--from",
            metavar="FORMAT",
            help="lines: each is a value. json: an object a line, as tail --output json prints it. parquet:"
            " as run writes them. By default what the file's ending says, else lines.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[str | None, typer.Option(help="The key of every line.", show_default=False)] = None,
    key_separator: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Lines are key, this, value; \\t is a tab.", show_default=False),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="Added to every record; may be repeated.", show_default=False
        ),
    ] = None,
    partition: Annotated[
        int | None,
        typer.Option(
            min=0, help="Of every record. By default by the key, as Java's client.", show_default=False
        ),
    ] = None,
    # Each by its own: in one option the pair is a column of help, which cuts other names at 80 columns.
    keep_partition: Annotated[
        bool,
        typer.Option("--keep-partition", help="To the partition that the input names, as json by default."),
    ] = False,
    no_keep_partition: Annotated[
        bool,
        typer.Option("--no-keep-partition", help="By the key, as lines and Parquet by default."),
    ] = False,
    compression: Annotated[
        CodecName, typer.Option(metavar="CODEC", help="none, gzip, snappy, lz4 or zstd.")
    ] = CodecName.NONE,
    no_idempotence: Annotated[
        bool, typer.Option("--no-idempotence", help="Retries may write a record twice.")
    ] = False,
    rate: Annotated[
        float | None,
        typer.Option(min=0.001, metavar="N", help="Records per second, at most.", show_default=False),
    ] = None,
    skip: Annotated[
        int, typer.Option(min=0, metavar="N", help="Leave out the first N records: to go on after an error.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Send lines, JSON or Parquet to a topic; ends with 0 when all is acknowledged. Tells where it landed."""
    from loader.cli.produce import ProduceArguments, produce_records
    from loader.operations.live.produce_input import InputFormat

    if keep_partition and no_keep_partition:
        raise typer.BadParameter("--keep-partition and --no-keep-partition: only one of them can be")
    arguments = ProduceArguments(
        topic=topic,
        files=files or (),
        config=config,
        servers=bootstrap_servers,
        input_format=None if input_format is None else InputFormat(input_format.value),
        key=key,
        key_separator=key_separator,
        headers=header or (),
        partition=partition,
        keep_partition=keep_partition or (False if no_keep_partition else None),
        codec=compression.value,
        is_idempotent=not no_idempotence,
        rate=rate,
        skip_count=skip,
    )
    end(config or Path("CONFIG"), as_json, lambda: produce_records(arguments, as_json))
