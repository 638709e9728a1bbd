"""A real HDFS: one NameNode and one or several DataNodes, each a process of its own.

    with HdfsCluster(folder) as hdfs:
        hdfs.url                        "hdfs://127.0.0.1:23177"
        hdfs.config_folder              for HADOOP_CONF_DIR
        hdfs.namenode.kill()            SIGKILL; start() brings it back on the same port with the same files
        hdfs.datanodes[0].pause()       SIGSTOP; resume() lets it go on

Limits, block size and permissions are Hadoop's defaults; whoever starts it is its superuser. A cluster whose
folder already holds one keeps that one's ports and files.
"""

import json
import threading
import urllib.request
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from local_services.artifacts import HDFS, fetch
from local_services.errors import ServiceError
from local_services.java import run_main_class
from local_services.ports import choose_ports
from local_services.servers import Cluster, Server

_LOG_CONFIG = Path(__file__).with_name("log4j.properties")
_PACKAGE = "org.apache.hadoop.hdfs.server"


class HdfsServer(Server):
    """A NameNode or DataNode. `properties` is its hdfs-site.xml, written anew by each start."""

    main_class: str

    def __init__(self, cluster: "HdfsCluster", name: str, folder: Path, ports: Sequence[int]) -> None:
        super().__init__(f"HDFS {name}", folder, ports)
        self.http_port = ports[1]
        self.properties: dict[str, str] = {}
        self._cluster = cluster

    def prepare(self) -> Sequence[str]:
        """Write its configuration."""
        config = self.folder / "conf"
        _write_site(config / "core-site.xml", self._core_properties())
        _write_site(config / "hdfs-site.xml", self.properties)
        _unpack_web_pages(config)
        # The configuration first: its web pages then hide those inside the jar, see _unpack_web_pages.
        self._classpath = f"{config}:{HDFS.classpath()}"
        return [*self._cluster.jvm_options, *_logging("INFO"), "-cp", self._classpath, self.main_class]

    def bean(self, name: str, timeout_s: float = 3) -> dict[str, Any] | None:
        """One of the beans that its web page /jmx shows; None when it does not answer, or lacks it."""
        address = f"http://127.0.0.1:{self.http_port}/jmx?qry=Hadoop:service={name}"
        try:
            # No proxy, whatever the environment says: this never leaves the machine.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(address, timeout=timeout_s) as answer:
                beans = json.load(answer)["beans"]
        except (OSError, ValueError):
            return None
        return dict(beans[0]) if beans else None

    def _core_properties(self) -> dict[str, str]:
        return {
            "fs.defaultFS": self._cluster.url,
            "hadoop.tmp.dir": str(self.folder / "tmp"),
            # A DataNode that waits for its NameNode looks every 200 ms for a minute; the default is every
            # second, with 5 s of rest after 10 tries.
            "ipc.client.connect.retry.interval": "200",
            "ipc.client.connect.max.retries": "300",
        }


class NameNode(HdfsServer):
    """The NameNode: ready when it lets clients write."""

    main_class = f"{_PACKAGE}.namenode.NameNode"

    def answers(self) -> bool:
        """Whether it serves requests, has left safe mode, and knows a DataNode if any is running."""
        info = self.bean("NameNode,name=NameNodeInfo")
        if info is None or info["Safemode"]:
            return False
        return bool(self.live_datanodes()) or not any(node.running for node in self._cluster.datanodes)

    def live_datanodes(self) -> set[str]:
        """The DataNodes that it heard from in the last seconds, as host:port."""
        info = self.bean("NameNode,name=NameNodeInfo") or {}
        live = json.loads(info.get("LiveNodes", "{}")).values()
        # One that has only registered has no capacity yet, and gets no blocks.
        return {node["xferaddr"] for node in live if node["lastContact"] <= 3 and node["capacity"] > 0}

    def prepare(self) -> Sequence[str]:
        """Write its configuration, and format its data on the first start."""
        command = super().prepare()
        if not (self.folder / "data" / "current" / "VERSION").exists():
            arguments, options = ("-format", "-nonInteractive"), _logging("WARN")
            run_main_class(self.main_class, *arguments, classpath=self._classpath, options=options)
        return command


class DataNode(HdfsServer):
    """A DataNode: ready when its NameNode knows it."""

    main_class = f"{_PACKAGE}.datanode.DataNode"

    def answers(self) -> bool:
        """Whether it serves requests, has registered, and its NameNode counts on it."""
        # DataNodeInfo is not asked before the first handshake: it would log a stack trace each time.
        if self.bean("DataNode,name=FSDatasetState") is None:
            return False
        actors = json.loads((self.bean("DataNode,name=DataNodeInfo") or {}).get("BPServiceActorInfo", "[]"))
        # Both sides are asked: a NameNode lists a DataNode for seconds after its death, and a DataNode that
        # registered once may face a NameNode that was started since.
        return (
            any(actor["ActorState"] == "RUNNING" for actor in actors)
            and f"127.0.0.1:{self.ports[0]}" in self._cluster.namenode.live_datanodes()
        )


class HdfsCluster(Cluster):
    """A NameNode and DataNodes 1..n, started and stopped together or one by one.

    `properties` goes into every server's hdfs-site.xml and wins over what this class sets.
    `port` is the NameNode's port for clients, chosen freely by default.
    `fast_start=False` runs the JVMs as in production: slower to start, for measurements.
    """

    def __init__(
        self,
        folder: Path,
        datanodes: int = 1,
        *,
        port: int | None = None,
        properties: Mapping[str, str] | None = None,
        fast_start: bool = True,
        heap_mib: int = 512,
    ) -> None:
        super().__init__(folder, fast_start=fast_start, heap_mib=heap_mib)
        ports = self._ports(datanodes, port)
        self.port = ports[0]
        self.config_folder = self.folder / "conf"
        self.namenode = NameNode(self, "NameNode", self.folder / "namenode", ports[:2])
        self.datanodes = [
            DataNode(self, f"DataNode {number}", self.folder / f"datanode-{number}", ports[at : at + 3])
            for number, at in enumerate(range(2, len(ports), 3), start=1)
        ]
        self._set_properties(dict(properties or {}))

    @property
    def url(self) -> str:
        """What paths begin with: hdfs://host:port."""
        return f"hdfs://127.0.0.1:{self.port}"

    @property
    def web_page(self) -> str:
        """Where a person looks at files and DataNodes."""
        return f"http://127.0.0.1:{self.namenode.http_port}"

    @property
    def servers(self) -> Sequence[Server]:
        """DataNodes first: they come up while the NameNode formats its data, then find it."""
        return [*self.datanodes, self.namenode]

    def start(self) -> None:
        """Start what is not running; return when a file can be written and read."""
        super().start()
        self.namenode.process.wait_until(self.answers, deadline_s=30)

    def answers(self) -> bool:
        """Whether every server answers and a file can be written, read back and deleted."""
        # Asked first because hdfs-native would try for minutes to reach a NameNode that is not there.
        return super().answers() and _within(10, self._write_and_read_back)

    def _write_and_read_back(self) -> bool:
        import hdfs_native

        path, content = "/.local-services-probe", b"written by local_services"
        try:
            client = hdfs_native.Client(self.url)
            with client.create(path, hdfs_native.WriteOptions(overwrite=True)) as file:
                file.write(content)
            with client.read(path) as file:
                same = file.read() == content
            client.delete(path)
        except (OSError, RuntimeError):  # all that hdfs-native raises when a server refuses or is gone
            return False
        return bool(same)

    def _ports(self, datanodes: int, port: int | None) -> list[int]:
        """NameNode's RPC and HTTP port, and three of each DataNode: the folder's, else new, kept there."""
        memory = self.folder / "cluster.json"
        if memory.exists():
            ports = [int(each) for each in json.loads(memory.read_text())["ports"]]
            if len(ports) != 2 + 3 * datanodes:
                known = (len(ports) - 2) // 3
                raise ServiceError(f"{self.folder} holds an HDFS of {known} DataNodes, not of {datanodes}")
        else:
            ports = choose_ports(2 + 3 * datanodes)
        if port is not None:
            ports[0] = port
        self.folder.mkdir(parents=True, exist_ok=True)
        memory.write_text(json.dumps({"ports": ports}))
        return ports

    def _set_properties(self, wanted: dict[str, str]) -> None:
        common = {"dfs.replication": "1"}
        self.namenode.properties = {
            **common,
            "dfs.namenode.name.dir": (self.namenode.folder / "data").as_uri(),
            "dfs.namenode.rpc-bind-host": "127.0.0.1",
            "dfs.namenode.http-address": f"127.0.0.1:{self.namenode.http_port}",
            # Safe mode ends with the last reported block, not 30 s later.
            "dfs.namenode.safemode.extension": "0",
            # A DataNode is dead after 2 x this + 10 heartbeats, 14 s here and 10.5 min by default.
            "dfs.namenode.heartbeat.recheck-interval": "2000",
            "dfs.heartbeat.interval": "1",
            # DataNodes come from 127.0.0.1, for which not every machine has a name.
            "dfs.namenode.datanode.registration.ip-hostname-check": "false",
            **wanted,
        }
        for datanode in self.datanodes:
            data_port, http_port, ipc_port = datanode.ports
            datanode.properties = {
                **common,
                "dfs.datanode.data.dir": (datanode.folder / "data").as_uri(),
                "dfs.datanode.address": f"127.0.0.1:{data_port}",
                "dfs.datanode.http.address": f"127.0.0.1:{http_port}",
                "dfs.datanode.ipc.address": f"127.0.0.1:{ipc_port}",
                "dfs.datanode.hostname": "127.0.0.1",
                "dfs.heartbeat.interval": "1",
                **wanted,
            }
        _write_site(self.config_folder / "core-site.xml", {"fs.defaultFS": self.url})
        _write_site(self.config_folder / "hdfs-site.xml", {**common, **wanted})


def _write_site(path: Path, properties: Mapping[str, str]) -> None:
    entries = "".join(
        f"  <property><name>{escape(name)}</name><value>{escape(value)}</value></property>\n"
        for name, value in properties.items()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'<?xml version="1.0"?>\n<configuration>\n{entries}</configuration>\n')


def _unpack_web_pages(folder: Path) -> None:
    """Put the web pages beside the configuration.

    From inside the jar, Jetty would search its 30,000 entries at every start for the few pages, and leave
    a copy behind in the folder for temporary files whenever the server is killed.
    """
    if (folder / "webapps").exists():
        return
    (jar,) = fetch(HDFS).glob("hadoop-client-minicluster-*.jar")
    with zipfile.ZipFile(jar) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.startswith("webapps/")])


def _within(deadline_s: float, question: Callable[[], bool]) -> bool:
    """The answer, or False when there is none in time; the asking thread is then left to itself."""
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(question()), daemon=True)
    asking.start()
    asking.join(deadline_s)
    return bool(answers) and answers[0]


def _logging(level: str) -> tuple[str, ...]:
    return (f"-Dlog4j.configuration={_LOG_CONFIG.as_uri()}", f"-Dlocal_services.log_level={level}")
