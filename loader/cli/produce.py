"""`kafka-loader produce`: lines, JSON or Parquet into a topic, each record acknowledged."""

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any, cast

from rich.console import Console

from loader.cli import process, text
from loader.cli.arguments import INTERRUPTED, Told
from loader.cli.failures import failure_document, told
from loader.errors import ConfigError
from loader.kafka_source.batch_builder import Outgoing
from loader.operations.live.produce import Interruption, Produced, ProduceOptions, produce
from loader.operations.live.produce_input import InputFormat, open_input
from loader.operations.live.produced_lines import LineFormat
from loader.operations.live.rate import Rate

MOST_PARTITIONS = 20
"""That are told one by one."""

SHOWN_EVERY = 500
"""Records between two looks at the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProduceArguments:
    """The command's options, as they were typed."""

    topic: str
    files: Sequence[str]
    config: Path | None
    servers: str | None
    input_format: InputFormat | None
    key: str | None
    key_separator: str | None
    headers: Sequence[str]
    partition: int | None
    keep_partition: bool | None
    codec: str
    is_idempotent: bool
    rate: float | None
    skip_count: int


def produce_records(arguments: ProduceArguments, as_json: bool) -> int:
    """Send the input, tell what landed where, and return the exit status."""
    settings = process.read_kafka(arguments.config, arguments.servers, "kafka-loader-produce")
    line_format = _line_format(arguments)
    names, standard_input = arguments.files, cast(BufferedIOBase, sys.stdin.buffer)
    found, records = open_input(names, arguments.input_format, line_format, standard_input)
    if line_format != LineFormat() and found is not InputFormat.LINES:
        raise ConfigError([f"--key and --key-separator are for lines, and the input is {found}"])
    options = _options(arguments, found)
    if not names and sys.stdin.isatty():
        text.warn("Each line that you type becomes a record; Ctrl-D ends.")
    rate = Rate(arguments.rate, time.monotonic, time.sleep)
    interruption = Interruption()
    began_s = time.monotonic()
    with _handling(interruption), _shown(records, bool(names)) as shown:
        produced = produce(settings, arguments.topic, shown, options, rate.wait_turn, interruption)
    seconds = time.monotonic() - began_s
    config = arguments.config or Path("CONFIG")
    with text.only_a_document() if as_json else nullcontext():
        for line in _lines(arguments.topic, produced, seconds):
            text.warn(line)
        if produced.failure is not None:
            text.warn(f"kafka-loader: {told(produced.failure, config)}")
    status = _status(produced)
    if as_json:
        text.print_json(_document(arguments.topic, produced, seconds, status, config))
    if status == INTERRUPTED:
        raise SystemExit(Told(status))
    return status


def _line_format(arguments: ProduceArguments) -> LineFormat:
    if arguments.key is not None and arguments.key_separator is not None:
        raise ConfigError(["--key and --key-separator: only one of them can be"])
    separator = arguments.key_separator
    if separator == "":
        raise ConfigError(["--key-separator is empty"])
    return LineFormat(
        None if arguments.key is None else _octets(arguments.key),
        None if separator is None else _octets(separator.replace("\\t", "\t")),
    )


def _octets(argument: str) -> bytes:
    """The bytes that the shell gave, UTF-8 or not."""
    return argument.encode("utf-8", "surrogateescape")


def _options(arguments: ProduceArguments, found: InputFormat) -> ProduceOptions:
    if arguments.partition is not None and arguments.keep_partition:
        raise ConfigError(["--partition and --keep-partition: only one of them can be"])
    keep_partition = arguments.keep_partition
    if keep_partition is None:
        keep_partition = found is not InputFormat.PARQUET and arguments.partition is None
    return ProduceOptions(
        codec=arguments.codec,
        is_idempotent=arguments.is_idempotent,
        partition=arguments.partition,
        keep_partition=keep_partition,
        headers=tuple(map(_header, arguments.headers)),
        skip_count=arguments.skip_count,
    )


def _header(argument: str) -> tuple[str, bytes]:
    name, equals, value = argument.partition("=")
    if not equals:
        raise ConfigError([f"--header {argument}: needs name=value"])
    return name, _octets(value)


@contextmanager
def _handling(interruption: Interruption) -> Iterator[None]:
    """Ctrl-C asks for an end in order."""
    before = signal.signal(signal.SIGINT, interruption.request)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _shown(records: Iterator[Outgoing], has_files: bool) -> Iterator[Iterator[Outgoing]]:
    """The records; while they go by, a terminal shows how many. Not where a person types them."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal or (sys.stdin.isatty() and not has_files):
        yield records
        return
    with console.status("connecting") as status:

        def counted() -> Iterator[Outgoing]:
            began_s = told_s = time.monotonic()
            for number, record in enumerate(records, 1):
                yield record
                if number % SHOWN_EVERY == 0 and time.monotonic() - told_s > 0.2:
                    told_s = time.monotonic()
                    rate = text.count(round(number / (told_s - began_s)))
                    status.update(f"{text.count(number)} records, {rate} records/s")

        yield counted()


def _status(produced: Produced) -> int:
    if produced.is_interrupted:
        return INTERRUPTED
    return 0 if produced.failure is None else produced.failure.exit_status


def _lines(topic: str, produced: Produced, seconds: float) -> Iterator[str]:
    if produced.is_interrupted:
        yield f"interrupted. To go on, give the same command and input, with --skip {produced.next_skip}."
    rate = f", {text.plural(round(produced.record_count / seconds), 'record')}/s" if seconds > 0 else ""
    yield (
        f"{topic}: {text.plural(produced.record_count, 'record')} acknowledged,"
        f" {text.size(produced.size_bytes)}, in {text.duration(seconds)}{rate}"
    )
    landed = list(produced.partitions.items())
    for number, each in landed[:MOST_PARTITIONS]:
        offsets = f"[{each.start_offset}, {each.end_offset})" if each.end_offset >= 0 else ""
        yield f"  {topic}-{number}{offsets}: {text.plural(each.record_count, 'record')}"
    if len(landed) > MOST_PARTITIONS:
        yield f"  and {len(landed) - MOST_PARTITIONS} partitions more; --json tells all"


def _document(topic: str, produced: Produced, seconds: float, status: int, config: Path) -> dict[str, Any]:
    return {
        "exit_status": status,
        "topic": topic,
        "record_count": produced.record_count,
        "size_bytes": produced.size_bytes,
        "seconds": round(seconds, 3),
        "records_per_s": round(produced.record_count / seconds) if seconds > 0 else None,
        "partitions": [
            {
                "partition": number,
                "start_offset": None if each.start_offset < 0 else each.start_offset,
                "end_offset": None if each.end_offset < 0 else each.end_offset,
                "record_count": each.record_count,
            }
            for number, each in produced.partitions.items()
        ],
        "next_skip": produced.next_skip,
        "acknowledged_behind_count": produced.behind_count,
        "error": None if produced.failure is None else failure_document(produced.failure, config),
    }
