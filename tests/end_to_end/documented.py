"""The jobs that the pages of the documentation suppose; what the pages tell to type is run on them."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from local_services.kafka import KafkaCluster

from .folders import LocalFolder
from .jobs import REPOSITORY, Ended, Job, kafka_loader, write_config
from .producing import HOUR_MS, T0_MS, Message, produce

ORDERS, QUICKSTART = Path("orders.toml"), Path("conf/quickstart.toml")
OF_A_SHELL = re.compile(r"\$\(| [<|>] ")
BIN = Path(sys.executable).parent


def json_messages(values: Sequence[Mapping[str, object]], timestamp_ms: int = T0_MS) -> list[Message]:
    return [
        Message(json.dumps(value).encode(), timestamp_ms=timestamp_ms + number)
        for number, value in enumerate(values)
    ]


@dataclass(frozen=True, slots=True)
class World:
    """A folder with orders.toml, conf/quickstart.toml, and what else commands of the pages name.

    orders      the topics orders, as JSON, flights and weather, raw: two commits with one bad record;
                a record of an hour ago is not loaded yet
    quickstart  flights and weather, raw: one commit; a record of flights, of 2024, is not loaded yet
    """

    folder: Path
    places: Mapping[str, str]

    @property
    def destination(self) -> Path:
        return self.folder / "destination"

    def here(self, text: str) -> str:
        """What a page says, with the places and names of this world for those of the page."""
        for there, here in self.places.items():
            text = text.replace(there, here)
        return text

    def run(self, command: str) -> Ended:
        """Run a command of a page, in the folder of the job files; by a shell where it needs one."""
        command = self.here(command)
        if OF_A_SHELL.search(command):
            environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
            ended = subprocess.run(
                ["/bin/bash", "-o", "pipefail", "-c", command],
                cwd=self.folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            return Ended(ended.returncode, ended.stdout, ended.stderr)
        program, *arguments = shlex.split(command)
        assert program == "kafka-loader"
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            return kafka_loader(*arguments)

    def copy(self, folder: Path, **places: str) -> "World":
        """The same in another folder, so that a page finds it as it was; the topics are not copied."""
        shutil.copytree(self.folder, folder)
        for config in (ORDERS, QUICKSTART):
            text = (folder / config).read_text().replace(str(self.folder), str(folder))
            (folder / config).write_text(text)
        own = {there: here.replace(str(self.folder), str(folder)) for there, here in self.places.items()}
        return World(folder, {**own, **places})


def make_world(kafka: KafkaCluster, folder: Path) -> World:
    """Create the topics and load the jobs."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})
    topics = [NewTopic(name, 1, 1) for name in ("orders", "flights", "weather")]
    for future in admin.create_topics(topics).values():
        future.result(timeout=30)
    orders, quickstart = _write_jobs(kafka.bootstrap_servers, folder)

    an_hour_ago_ms = int(time.time() * 1000) - HOUR_MS
    produce(kafka, "orders", json_messages([{"id": number} for number in range(5)], an_hour_ago_ms))
    produce(kafka, "orders", [Message(b"{broken", timestamp_ms=an_hour_ago_ms)])
    produce(kafka, "flights", json_messages([{"carrier": "AA", "flight": 1}, {"carrier": "UA", "flight": 2}]))
    produce(kafka, "weather", json_messages([{"origin": "JFK", "temp": 39.02}]))
    orders.run()
    quickstart.run()
    produce(kafka, "orders", json_messages([{"id": 6}], an_hour_ago_ms))
    produce(kafka, "flights", json_messages([{"carrier": "AA", "flight": 150}]))
    orders.run()
    produce(kafka, "orders", json_messages([{"id": 7}], an_hour_ago_ms))
    return World(
        folder,
        {
            "/etc/kafka-loader/": "",
            "/var/lib/node_exporter": str(folder / "node_exporter"),
            "/srv/www": str(folder / "www"),
            "/tmp/kafka-loader-quickstart": str(folder / "quickstart"),
            "file:///data/kafka": (folder / "destination").as_uri(),
            # Of a job in docs/columns.md: that its name is not the topic's shows which is which.
            '"shop"': '"orders"',
            # Whenever this runs, it is in the past.
            "2026-11-22T10:00:00Z": "2024-03-01T00:00:00Z",
        },
    )


def _write_jobs(servers: str, folder: Path) -> tuple[Job, Job]:
    (folder / "conf").mkdir(parents=True)
    (folder / "node_exporter").mkdir()
    (folder / "www").mkdir()
    (folder / "orders.txt").write_text('{"id": 8}\n{"id": 9}\n')
    destination = LocalFolder(folder / "destination")
    orders = {
        "name": "orders",
        "max_bad_records": 10,
        "value": {"format": "json", "columns": {"id": "long"}},
    }
    write_config(
        folder / ORDERS,
        {"name": "orders", "destination": destination.url},
        (orders, {"name": "flights"}, {"name": "weather"}),
        {"kafka": {"bootstrap_servers": servers.split(","), "mirror_group": "orders-loader"}},
    )
    quickstart = LocalFolder(folder / "quickstart")
    text = (REPOSITORY / QUICKSTART).read_text()
    for there, here in (
        ("file:///tmp/kafka-loader-quickstart", quickstart.url),
        ('"127.0.0.1:9092"', json.dumps(servers)),
    ):
        assert there in text
        text = text.replace(there, here)
    (folder / QUICKSTART).write_text(text)
    return Job(folder / ORDERS, destination), Job(folder / QUICKSTART, quickstart)
