"""A real Apache Kafka in KRaft mode: one or several nodes, each broker and controller at once.

    with KafkaCluster(folder, nodes=3) as kafka:
        kafka.bootstrap_servers         "127.0.0.1:21034,127.0.0.1:27201,127.0.0.1:23311"
        kafka.nodes[1].kill()           SIGKILL; start() brings it back on the same port with the same data
        kafka.nodes[1].pause()          SIGSTOP; resume() lets it go on

A cluster whose folder already holds one keeps that one's ports, identity and data.
"""

import base64
import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from local_services.artifacts import KAFKA
from local_services.errors import ServiceError
from local_services.java import FAST_START_OPTIONS, find_java, has_compiler, run_main_class
from local_services.ports import accepts_connections, choose_ports, require_free
from local_services.processes import ServerProcess

START_DEADLINE_S = 90
"""For a machine that is busy with other things; on an idle one a node answers after 3 to 4 s."""

_LOG_CONFIG = Path(__file__).with_name("log4j2.properties")


class KafkaNode:
    """One node of a cluster. `properties` is its server.properties, written anew by each start()."""

    def __init__(self, cluster: "KafkaCluster", node_id: int, port: int, controller_port: int) -> None:
        self.node_id = node_id
        self.port = port
        self.controller_port = controller_port
        self.folder = cluster.folder / f"node-{node_id}"
        self.process = ServerProcess(f"Kafka node {node_id}", self.folder)
        self.properties: dict[str, str] = {}
        self._cluster = cluster

    @property
    def address(self) -> str:
        """Where clients connect: host:port."""
        return f"127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether its process exists, paused or not. `answers()` tells whether it works."""
        return self.process.pid is not None

    def start(self) -> None:
        """Start it and return when it answers: it is a member of its cluster and may lead partitions."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start it and return at once. Does nothing when it runs already."""
        if self.running:
            return
        for port in (self.port, self.controller_port):
            require_free(port, self.process.name)
        config = self._write_config()
        if not (self.folder / "data" / "meta.properties").exists():
            arguments = ("format", "-t", self._cluster.cluster_id, "-c", str(config))
            run_main_class(
                "kafka.tools.StorageTool", *arguments, classpath=KAFKA.classpath(), options=_logging("warn")
            )
        jvm = (*self._cluster.jvm_options, *_logging("info"))
        self.process.start([str(find_java()), *jvm, "-cp", KAFKA.classpath(), "kafka.Kafka", str(config)])

    def wait_until_ready(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Return when it answers. Raises, with the end of its log, when it dies first or at the deadline."""
        self.process.wait_until(self.answers, deadline_s)

    def answers(self, timeout_s: float = 5) -> bool:
        """Whether it answers a request for metadata and is itself among the brokers that it names."""
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        if not accepts_connections(self.port):
            return False
        # log_level 0: the client would write its own account of a broker that is not there yet to stderr.
        client = AdminClient(
            {"bootstrap.servers": self.address, "log_level": 0, "client.id": "local-services"}
        )
        try:
            return self.node_id in client.list_topics(timeout=timeout_s).brokers
        except KafkaException:
            return False

    def stop(self, deadline_s: float = 15) -> None:
        """A controlled shutdown; SIGKILL at the deadline."""
        self.process.stop(deadline_s)

    def kill(self) -> None:
        """SIGKILL: nothing is handed over or written."""
        self.process.kill()

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nobody answers."""
        self.process.pause()

    def resume(self) -> None:
        """SIGCONT after pause()."""
        self.process.resume()

    def _write_config(self) -> Path:
        config = self.folder / "server.properties"
        self.folder.mkdir(parents=True, exist_ok=True)
        config.write_text("".join(f"{key}={value}\n" for key, value in self.properties.items()))
        return config


class KafkaCluster:
    """Nodes 1..n of one cluster, started and stopped together or one by one.

    `properties` goes into every node's server.properties and wins over what this class sets.
    `ports` are the ports of the listeners for clients, chosen freely by default.
    `fast_start=False` runs the JVM as in production: slower to start, for measurements.
    """

    def __init__(
        self,
        folder: Path,
        nodes: int = 1,
        *,
        ports: Sequence[int] | None = None,
        properties: Mapping[str, str] | None = None,
        fast_start: bool = True,
        heap_mib: int = 512,
    ) -> None:
        if ports is not None and len(ports) != nodes:
            raise ValueError(f"{nodes} nodes need {nodes} ports, not {len(ports)}")
        self.folder = folder.absolute()
        self.jvm_options = (
            *(FAST_START_OPTIONS if fast_start else ()),
            f"-Xmx{heap_mib}m",
            "-Djava.awt.headless=true",
        )
        self.cluster_id, pairs = self._identity(nodes, ports)
        self.nodes = [KafkaNode(self, node_id, *pair) for node_id, pair in enumerate(pairs, start=1)]
        for node in self.nodes:
            node.properties = {**self._default_properties(node), **(properties or {})}

    @property
    def bootstrap_servers(self) -> str:
        """The addresses of all nodes, as a client's configuration wants them."""
        return ",".join(node.address for node in self.nodes)

    @property
    def running(self) -> bool:
        """Whether any node's process exists."""
        return any(node.running for node in self.nodes)

    def start(self) -> None:
        """Start the nodes that are not running; return when every node answers."""
        try:
            for node in self.nodes:
                node.launch()
            for node in self.nodes:
                node.wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def stop(self, deadline_s: float = 15) -> None:
        """A controlled shutdown of all nodes at once; SIGKILL at the deadline."""
        for node in self.nodes:
            node.process.ask_to_stop()
        for node in self.nodes:
            node.process.wait_for_end(deadline_s)

    def kill(self) -> None:
        """SIGKILL to every node."""
        for node in self.nodes:
            node.kill()

    def run_tool(
        self, main_class: str, *arguments: str, stdin: bytes | None = None, timeout_s: float = 60
    ) -> tuple[bytes, bytes]:
        """Run one of Kafka's own tools against this cluster; what it wrote to stdout and to stderr.

        --bootstrap-server is added: run_tool("org.apache.kafka.tools.TopicCommand", "--describe").
        Raises when it ends with another status than 0, or not in time.
        """
        address = ("--bootstrap-server", self.bootstrap_servers)
        ended = run_main_class(
            main_class,
            *(*address, *arguments),
            classpath=KAFKA.classpath(),
            options=_logging("warn"),
            stdin=stdin,
            timeout_s=timeout_s,
        )
        return ended.stdout, ended.stderr

    def run_java(self, source: Path, *arguments: str, timeout_s: float = 60) -> tuple[bytes, bytes]:
        """Run a single .java file that uses Kafka's Java client; needs a JDK (java.has_compiler())."""
        if not has_compiler():
            raise ServiceError(f"{source.name} needs a Java compiler: install a JDK, or set JAVA_HOME to one")
        ended = run_main_class(
            source, *arguments, classpath=KAFKA.classpath(), options=_logging("warn"), timeout_s=timeout_s
        )
        return ended.stdout, ended.stderr

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def _identity(self, nodes: int, ports: Sequence[int] | None) -> tuple[str, list[tuple[int, int]]]:
        """Cluster id and each node's (port, controller port): the folder's, else new ones, kept there."""
        memory = self.folder / "cluster.json"
        if memory.exists():
            known = json.loads(memory.read_text())
            cluster_id = known["cluster_id"]
            pairs = [(int(port), int(controller_port)) for port, controller_port in known["ports"]]
            if len(pairs) != nodes:
                raise ServiceError(f"{self.folder} holds a cluster of {len(pairs)} nodes, not of {nodes}")
        else:
            cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            free = choose_ports(2 * nodes)
            pairs = list(zip(free[:nodes], free[nodes:], strict=True))
        if ports is not None:
            pairs = [(port, controller_port) for port, (_, controller_port) in zip(ports, pairs, strict=True)]
        self.folder.mkdir(parents=True, exist_ok=True)
        memory.write_text(json.dumps({"cluster_id": cluster_id, "ports": pairs}))
        return cluster_id, pairs

    def _default_properties(self, node: KafkaNode) -> dict[str, str]:
        replication_factor = str(min(3, len(self.nodes)))
        in_sync = str(max(1, min(3, len(self.nodes)) - 1))
        voters = ",".join(f"{voter.node_id}@127.0.0.1:{voter.controller_port}" for voter in self.nodes)
        return {
            "process.roles": "broker,controller",
            "node.id": str(node.node_id),
            "controller.quorum.voters": voters,
            "listeners": f"PLAINTEXT://{node.address},CONTROLLER://127.0.0.1:{node.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{node.address}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(node.folder / "data"),
            # A topic that appears because somebody asked for it hides a wrong name.
            "auto.create.topics.enable": "false",
            "default.replication.factor": replication_factor,
            "offsets.topic.replication.factor": replication_factor,
            "transaction.state.log.replication.factor": replication_factor,
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.replication.factor": replication_factor,
            "share.coordinator.state.topic.min.isr": in_sync,
            # 50 partitions each by default, made on first use while the first client waits.
            "offsets.topic.num.partitions": "5",
            "transaction.state.log.num.partitions": "5",
            "share.coordinator.state.topic.num.partitions": "5",
            "group.initial.rebalance.delay.ms": "0",
            # Before a killed node's session ends, it may not come back and no other leads its partitions.
            "broker.session.timeout.ms": "4000",
            "broker.heartbeat.interval.ms": "500",
            # The cleaner takes this memory when it starts; the default of 128 MiB is for millions of keys.
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        }


def _logging(level: str) -> tuple[str, ...]:
    return (f"-Dlog4j2.configurationFile={_LOG_CONFIG}", f"-Dlocal_services.log_level={level}")
