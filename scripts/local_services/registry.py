"""A real schema registry, Apicurio's, which also speaks Confluent's API.

    with SchemaRegistry(folder) as registry:
        registry.url                                "http://127.0.0.1:21034/apis/ccompat/v7"
        registry.register("orders-value", text)     the id of the schema, 1 for the first

A registry whose folder already holds one keeps that one's port and schemas.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPResponse
from pathlib import Path
from typing import cast

from local_services.artifacts import REGISTRY, fetch
from local_services.errors import ServiceError
from local_services.ports import accepts_connections, choose_ports
from local_services.servers import Cluster, Server

_API = "/apis/ccompat/v7"


class RegistryServer(Server):
    """The one server of a SchemaRegistry."""

    def __init__(self, registry: "SchemaRegistry", port: int) -> None:
        super().__init__("Schema registry", registry.folder, [port])
        self.port = port
        self._jvm_options = registry.jvm_options

    @property
    def url(self) -> str:
        """Where Confluent's API begins."""
        return f"http://127.0.0.1:{self.port}{_API}"

    def answers(self) -> bool:
        """Whether it lists its subjects."""
        if not accepts_connections(self.port):
            return False
        try:
            with _open(f"{self.url}/subjects", timeout_s=5) as answer:
                return isinstance(json.load(answer), list)
        except (OSError, ValueError):
            return False

    def prepare(self) -> Sequence[str]:
        """What runs it: all is said by properties of the JVM."""
        (jar,) = fetch(REGISTRY).glob("*-runner.jar")
        properties = {
            "quarkus.http.host": "127.0.0.1",
            "quarkus.http.port": str(self.port),
            "quarkus.log.file.enable": "false",
            "apicurio.storage.kind": "sql",
            "apicurio.storage.sql.kind": "h2",
            # By default in memory: a registry that comes back would be empty, and its ids begin anew.
            "apicurio.datasource.url": f"jdbc:h2:file:{self.folder}/data/registry",
            # By default each answer takes a line of the log.
            "quarkus.http.access-log.enabled": "false",
        }
        options = [f"-D{key}={value}" for key, value in properties.items()]
        return [*self._jvm_options, *options, "-jar", str(jar)]


class SchemaRegistry(Cluster):
    """One registry. A folder that already holds one keeps that one's port; `port` chooses another."""

    def __init__(
        self, folder: Path, *, port: int | None = None, fast_start: bool = True, heap_mib: int = 256
    ) -> None:
        super().__init__(folder, fast_start=fast_start, heap_mib=heap_mib)
        self.server = RegistryServer(self, self._port(port))

    @property
    def servers(self) -> Sequence[Server]:
        """The one."""
        return [self.server]

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.port

    @property
    def url(self) -> str:
        """Where Confluent's API begins: what a job's registry.url and other clients want."""
        return self.server.url

    def register(
        self,
        subject: str,
        schema: str,
        schema_type: str = "AVRO",
        references: Sequence[tuple[str, str, int]] = (),
    ) -> int:
        """Register a schema as the newest version of a subject; its id.

        references  as (name, subject, version)

        Raises ServiceError with the registry's words when it refuses.
        """
        document: dict[str, object] = {
            "schema": schema,
            "schemaType": schema_type,
            "references": [
                dict(zip(("name", "subject", "version"), reference, strict=True)) for reference in references
            ],
        }
        answer = self._ask("POST", f"/subjects/{subject}/versions", document)
        return int(answer["id"])

    def _ask(self, method: str, path: str, document: Mapping[str, object]) -> dict[str, int]:
        body = json.dumps(document).encode()
        try:
            with _open(f"{self.url}{path}", method=method, body=body, timeout_s=30) as answer:
                found: dict[str, int] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            words = error.read().decode(errors="replace")
            raise ServiceError(f"the registry refuses {method} {path}: {error.code} {words}") from None

    def _port(self, wanted: int | None) -> int:
        memory = self.folder / "registry.json"
        if wanted is None and memory.exists():
            return int(json.loads(memory.read_text())["port"])
        (port,) = choose_ports(1) if wanted is None else (wanted,)
        self.folder.mkdir(parents=True, exist_ok=True)
        memory.write_text(json.dumps({"port": port}))
        return port


# Whatever the environment says of proxies: 127.0.0.1 is behind none.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _open(url: str, *, timeout_s: float, method: str = "GET", body: bytes | None = None) -> HTTPResponse:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - http://127.0.0.1
    return cast(HTTPResponse, _opener.open(request, timeout=timeout_s))
