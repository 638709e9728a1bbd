"""What a server of any kind can be told to do, one by one or as the cluster that it belongs to."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from local_services.java import FAST_START_OPTIONS, find_java
from local_services.ports import require_free
from local_services.processes import ServerProcess
from local_services.watchdog import watch

START_DEADLINE_S = 150
"""For a machine that is busy with other things; on an idle one each server here answers within 10 s."""


class Server(ABC):
    """One JVM: comes back on the same ports with the same data, however it ended."""

    def __init__(self, name: str, folder: Path, ports: Sequence[int]) -> None:
        self.name = name
        self.folder = folder
        self.ports = tuple(ports)
        self.process = ServerProcess(name, folder)
        self.outlives_us = True

    @abstractmethod
    def answers(self) -> bool:
        """Whether it does its work now: proven by a request, within seconds, and never by an exception."""

    @abstractmethod
    def prepare(self) -> Sequence[str]:
        """Write its configuration, format its data if there is none; what follows `java` to run it."""

    @property
    def running(self) -> bool:
        """Whether its process exists, paused or not. `answers()` tells whether it works."""
        return self.process.pid is not None

    def start(self) -> None:
        """Start it and return when it answers."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> bool:
        """Start it and return at once: True, or False when it was running already."""
        if self.running:
            return False
        for port in self.ports:
            require_free(port, self.name)
        temporary = self.folder / "tmp"  # native libraries unpacked there outlive a killed JVM
        temporary.mkdir(parents=True, exist_ok=True)
        options = (f"-Djava.io.tmpdir={temporary}", "-XX:-UsePerfData", "-Djava.awt.headless=true")
        self.process.start([str(find_java()), *options, *self.prepare()])
        if not self.outlives_us and (pid := self.process.pid) is not None:
            watch(pid)
        return True

    def wait_until_ready(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Return when it answers. Raises, with the end of its log, when it dies first or at the deadline."""
        self.process.wait_until(self.answers, deadline_s)

    def stop(self, deadline_s: float = 15) -> None:
        """SIGTERM: it hands over and writes what it has to; SIGKILL at the deadline."""
        self.process.stop(deadline_s)

    def kill(self) -> None:
        """SIGKILL: nothing is handed over or written."""
        self.process.kill()

    def restart(self) -> None:
        """stop(), then start()."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nobody answers, as with a hung machine."""
        self.process.pause()

    def resume(self) -> None:
        """SIGCONT after pause()."""
        self.process.resume()


class Cluster(ABC):
    """Servers that are started and stopped together, in the order of `servers`.

    In a `with` block they end with the block, or with this Python process however it ends; those started by
    start() run on.
    """

    def __init__(self, folder: Path, *, fast_start: bool, heap_mib: int) -> None:
        self.folder = folder.absolute()
        self.jvm_options = (*(FAST_START_OPTIONS if fast_start else ()), f"-Xmx{heap_mib}m")

    @property
    @abstractmethod
    def servers(self) -> Sequence[Server]:
        """In the order in which they are launched."""

    @property
    def running(self) -> bool:
        """Whether the process of every server exists."""
        return all(server.running for server in self.servers)

    def answers(self) -> bool:
        """Whether every server does its work now."""
        return all(server.answers() for server in self.servers)

    def start(self) -> None:
        """Start the servers that are not running; return when every server answers.

        When one does not, those started by this call are killed: none is left behind.
        """
        launched: list[Server] = []
        try:
            for server in self.servers:
                launched += [server] if server.launch() else []
            for server in self.servers:
                server.wait_until_ready()
        except BaseException:
            for server in launched:
                server.kill()
            raise

    def stop(self, deadline_s: float = 15) -> None:
        """SIGTERM to all at once; SIGKILL at the deadline."""
        for server in self.servers:
            server.process.ask_to_stop()
        for server in self.servers:
            server.process.wait_for_end(deadline_s)

    def kill(self) -> None:
        """SIGKILL to every server."""
        for server in self.servers:
            server.kill()

    def __enter__(self) -> Self:
        for server in self.servers:
            server.outlives_us = False
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()
