"""Folders and jobs of its own for each test, on the shared Kafka."""

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from loader.operations.listening import Step
from local_services.hdfs import HdfsCluster
from local_services.kafka import KafkaCluster

from .crashes import Interruption, start_fork_server
from .folders import Folder, HdfsFolder, LocalFolder
from .jobs import Job, write_config

_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def _fork_server() -> None:
    start_fork_server()


class NewFolderFunction(Protocol):
    """`new_folder("hdfs")`: an empty destination; it does not exist yet."""

    def __call__(self, kind: str) -> Folder: ...


@pytest.fixture
def new_folder(request: pytest.FixtureRequest, tmp_path: Path) -> NewFolderFunction:
    """Names destinations, local or hdfs."""

    def name(kind: str) -> Folder:
        if kind == "local":
            return LocalFolder(tmp_path / f"destination-{next(_numbers)}")
        hdfs: HdfsCluster = request.getfixturevalue("hdfs")
        return HdfsFolder(hdfs, f"/end-to-end-{os.getpid()}/{next(_numbers)}")

    return name


@pytest.fixture
def local_folder(tmp_path: Path) -> LocalFolder:
    """The destination of a job that names no other."""
    return LocalFolder(tmp_path / "destination")


class NewJobFunction(Protocol):
    """`new_job("orders")`: topics by name or as a whole entry; a folder and sections where they matter."""

    def __call__(
        self,
        *topics: str | Mapping[str, Any],
        name: str = "job",
        folder: Folder | None = None,
        **sections: Mapping[str, Any],
    ) -> Job: ...


@pytest.fixture
def new_job(kafka: KafkaCluster, tmp_path: Path, local_folder: LocalFolder) -> NewJobFunction:
    """Writes a job file; by default its destination is the test's local folder."""

    def write(
        *topics: str | Mapping[str, Any],
        name: str = "job",
        folder: Folder | None = None,
        **sections: Mapping[str, Any],
    ) -> Job:
        folder = local_folder if folder is None else folder
        config = tmp_path / f"{name}-{next(_numbers)}.toml"
        entries = tuple({"name": topic} if isinstance(topic, str) else topic for topic in topics)
        servers = {"bootstrap_servers": kafka.bootstrap_servers.split(",")}
        kafka_section = {**servers, **sections.pop("kafka", {})}
        write_config(
            config, {"name": name, "destination": folder.url}, entries, {"kafka": kafka_section, **sections}
        )
        return Job(config, folder)

    return write


InterruptFunction = Callable[[Step, Callable[[], object]], None]


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> InterruptFunction:
    """`interrupt(step, act)`: the next run in this process does `act` when it comes to that step."""

    def set_up(step: Step, act: Callable[[], object]) -> None:
        listeners: Iterator[Interruption] = itertools.chain(
            [Interruption(step, act)], iter(lambda: Interruption(Step.RECOVER, lambda: None), None)
        )
        monkeypatch.setattr("loader.cli.run.ProgressListener", lambda *_: next(listeners))

    return set_up
