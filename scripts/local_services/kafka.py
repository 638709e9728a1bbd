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

from local_services.artifacts import KAFKA
from local_services.errors import ServiceError
from local_services.java import has_compiler, run_main_class
from local_services.ports import accepts_connections, choose_ports
from local_services.servers import Cluster, Server

_LOG_CONFIG = Path(__file__).with_name("log4j2.properties")


class KafkaNode(Server):
    """One node of a cluster. `properties` is its server.properties, written anew by each start."""

    def __init__(self, cluster: "KafkaCluster", node_id: int, port: int, controller_port: int) -> None:
        folder = cluster.folder / f"node-{node_id}"
        super().__init__(f"Kafka node {node_id}", folder, [port, controller_port])
        self.node_id = node_id
        self.port = port
        self.controller_port = controller_port
        self.properties: dict[str, str] = {}
        self._cluster = cluster

    @property
    def address(self) -> str:
        """Where clients connect: host:port."""
        return f"127.0.0.1:{self.port}"

    def answers(self, timeout_s: float = 5) -> bool:
        """Whether it answers a request for metadata and is itself among the brokers that it names."""
        # Imported late: `services status` must be quick, and mostly finds closed ports.
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        if not accepts_connections(self.port):
            return False
        # log_level 0: the client would write to stderr whenever a broker is not there yet, or leaves.
        client = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        try:
            return self.node_id in client.list_topics(timeout=timeout_s).brokers
        except KafkaException:
            return False

    def prepare(self) -> Sequence[str]:
        """Write server.properties, and format the data folder on the first start."""
        config = self.folder / "server.properties"
        config.write_text("".join(f"{key}={value}\n" for key, value in self.properties.items()))
        classpath = KAFKA.classpath()
        if not (self.folder / "data" / "meta.properties").exists():
            arguments = ("format", "-t", self._cluster.cluster_id, "-c", str(config))
            options = _logging("warn")
            run_main_class("kafka.tools.StorageTool", *arguments, classpath=classpath, options=options)
        options = (*self._cluster.jvm_options, *_logging("info"))
        return [*options, "-cp", classpath, "kafka.Kafka", str(config)]


class KafkaCluster(Cluster):
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
        super().__init__(folder, fast_start=fast_start, heap_mib=heap_mib)
        if ports is not None and len(ports) != nodes:
            raise ValueError(f"{nodes} nodes need {nodes} ports, not {len(ports)}")
        self.cluster_id, pairs = self._identity(nodes, ports)
        self.nodes = [KafkaNode(self, node_id, *pair) for node_id, pair in enumerate(pairs, start=1)]
        for node in self.nodes:
            node.properties = {**self._default_properties(node), **(properties or {})}

    @property
    def servers(self) -> Sequence[Server]:
        """The nodes."""
        return self.nodes

    @property
    def bootstrap_servers(self) -> str:
        """The addresses of all nodes, as a client's configuration wants them."""
        return ",".join(node.address for node in self.nodes)

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
            cluster_id = _new_cluster_id()
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


def run_java(source: Path, *arguments: str, timeout_s: float = 60) -> tuple[bytes, bytes]:
    """Run a single .java file that uses Kafka's Java client; what it wrote to stdout and to stderr.

    Needs a JDK, which `java.has_compiler()` tells.
    """
    if not has_compiler():
        raise ServiceError(f"{source.name} needs a Java compiler: install a JDK, or set JAVA_HOME to one")
    options = _logging("warn")
    ended = run_main_class(
        source, *arguments, classpath=KAFKA.classpath(), options=options, timeout_s=timeout_s
    )
    return ended.stdout, ended.stderr


def _logging(level: str) -> tuple[str, ...]:
    return (f"-Dlog4j2.configurationFile={_LOG_CONFIG}", f"-Dlocal_services.log_level={level}")


def _new_cluster_id() -> str:
    """A random id as Kafka spells it; not one that begins with "-", which its tools take for an option."""
    while True:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not cluster_id.startswith("-"):
            return cluster_id
