"""What a task needs where it runs, tried there: the destination that the driver sees, and the brokers.

A value that is sent to executors like a task, and answers with values: Spark makes text of exceptions.
"""

import platform
from collections.abc import Callable
from dataclasses import dataclass

from loader.errors import LoaderError, PathNotFound
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.rights import knock
from loader.kafka_source.settings import KafkaSettings
from loader.storage.opening import open_storage

KNOCK_S = 5.0


@dataclass(frozen=True, slots=True)
class ExecutorFinding:
    """What one task found.

    place    where it ran: host and slot
    brokers  why brokers cannot be used from there; "" where they can
    storage  why the destination cannot; "" where it can
    """

    place: str
    brokers: str
    storage: str


@dataclass(frozen=True, slots=True)
class ExecutorProbe:
    """Reads what the driver wrote, writes beside it, and connects to every broker.

    folder   below the destination, with the file `driver` in it
    content  of that file
    """

    kafka: KafkaSettings
    destination: str
    folder: str
    content: bytes

    def run(self, slot: int) -> ExecutorFinding:
        """Try all of it; raises nothing that brokers and file systems can do."""
        place = f"{platform.node()}-{slot}"
        return ExecutorFinding(place, _tried(self._try_brokers), _tried(lambda: self._try_storage(place)))

    def _try_brokers(self) -> str:
        with KafkaClient(self.kafka) as client:
            client.connect(self.kafka.request_timeout_ms)
            addresses = sorted(client.brokers.values())
        problems = [(address, knock(address, KNOCK_S)) for address in addresses]
        return "; ".join(f"{address}: {problem}" for address, problem in problems if problem is not None)

    def _try_storage(self, place: str) -> str:
        storage = open_storage(self.destination)
        try:
            found = storage.read(f"{self.folder}/driver")
        except PathNotFound:
            return f"does not see what the driver wrote to {self.destination}: the folder is not shared"
        if found != self.content:
            return f"reads other bytes from {self.destination} than the driver wrote"
        with storage.create(f"{self.folder}/{place}") as file:
            file.write(self.content)
        return ""


def _tried(act: Callable[[], str]) -> str:
    try:
        return act()
    except LoaderError as error:
        return str(error)
    except Exception as error:  # a library that is broken there, for example
        return repr(error)
