"""`kafka-loader tail`: records of live topics, as they lie in Kafka. Loads nothing."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from loader.cli import process, text
from loader.cli.arguments import INTERRUPTED, Told
from loader.cli.keys import Keys, Stop, stopping, terminal_keys
from loader.cli.output_name import OutputName
from loader.cli.tail_options import TailOptions
from loader.cli.tail_output import Output, ReaderGone, check_reader, output, write_lines
from loader.errors import RunAgainLater
from loader.operations.job import Job
from loader.operations.live.tail import Tail, TailRequest, open_tail
from loader.operations.live.tail_records import TailRecord

PAUSE_S = 0.25
"""Between two looks for new records, and for keys and signals."""

PAUSE_KEY, QUIT_KEY = " ", "q"

CLEAR_LINE = "\r\x1b[K"


def tail(
    options: TailOptions, config: Path | None, servers: str | None, is_raw: bool, output_name: OutputName
) -> int:
    """Print records until the end, until there are as many as wanted, or until stopped; the exit status."""
    try:
        return _show(options, config, servers, is_raw, output_name)
    except KeyboardInterrupt:  # before the first record
        return Told(INTERRUPTED)


def _show(
    options: TailOptions, config: Path | None, servers: str | None, is_raw: bool, output_name: OutputName
) -> int:
    request = options.request(process.now_ms())
    job: Job | None = None
    if config is not None and servers is None:
        job = process.read_job(config)
    settings = process.read_kafka(config, servers, "kafka-loader-tail") if job is None else job.kafka
    with open_tail(settings, request, None if is_raw else job) as source:
        printer = output(output_name, request.topics, source.columns)
        with stopping() as stop:
            show = _Show(source, request, printer, stop, options.count)
            try:
                with terminal_keys() if request.follows else nullcontext(Keys(None)) as keys:
                    show.all(keys)
            except ReaderGone:
                return 0
            if stop.signal_number is not None:
                return Told(128 + stop.signal_number)  # nothing was begun that a person need be told of
        return show.end()


class _Show:
    """Prints what comes, part by part, and heeds keys and signals between two parts."""

    def __init__(
        self, source: Tail, request: TailRequest, printer: Output, stop: Stop, count: int | None
    ) -> None:
        self._source = source
        self._request = request
        self._printer = printer
        self._stop = stop
        self._left = count
        self._shown_count = 0

    def all(self, keys: Keys) -> None:
        """Print until there is nothing more to print."""
        if keys.is_listening:
            text.warn(f"following {', '.join(self._request.topics)}: space pauses, q quits")
        key = ""
        while key != QUIT_KEY and self._left != 0 and self._stop.signal_number is None:
            if key == PAUSE_KEY:
                key = self._paused(keys)
                continue
            records = self._source.next()
            self._tell_notices()
            if records is None:
                return
            self._print(records)
            if not records:
                check_reader()
            key = keys.wait(0 if records else PAUSE_S)

    def end(self) -> int:
        """The exit status, once all is printed; tells of what is not."""
        if self._shown_count == 0 and not self._request.follows:
            text.warn(f"no records: {', '.join(self._request.topics)}")
        if self._request.follows:
            return 0
        for partition, reason in sorted(self._source.unanswered.items()):
            text.warn(f"{partition}: is not shown: {reason}")
        return RunAgainLater.exit_status if self._source.unanswered else 0

    def _print(self, records: Sequence[TailRecord]) -> None:
        wanted = list(records[: self._left])
        write_lines(self._printer.lines(wanted))
        self._source.shown(wanted)
        self._shown_count += len(wanted)
        if self._left is not None:
            self._left -= len(wanted)

    def _paused(self, keys: Keys) -> str:
        """Wait for a key, fetching nothing; the key that ends the pause, none for going on."""
        while self._stop.signal_number is None:
            waiting = self._source.waiting_count()
            told = "no broker answers" if waiting is None else f"{text.plural(waiting, 'record')} waiting"
            _status(f"paused, {told} · space goes on, q quits")
            key = keys.wait(PAUSE_S)
            if key in (PAUSE_KEY, QUIT_KEY):
                _status("")
                return key if key == QUIT_KEY else ""
        _status("")
        return ""

    def _tell_notices(self) -> None:
        for notice in self._source.notices:
            text.warn(notice)
        self._source.notices.clear()


def _status(line: str) -> None:
    """Show a line below the records, in the place of the one before."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{CLEAR_LINE}{line}")
        sys.stderr.flush()
