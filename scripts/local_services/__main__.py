"""`scripts/services`: a real Kafka, a real HDFS and a schema registry that go on running, to play with.

Exit status: 0 done, or all is up; 1 a service is down, or did not do what was asked; 2 wrong arguments.
"""

import argparse
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local_services.artifacts import HDFS, KAFKA, REGISTRY, fetch_all
from local_services.errors import ServiceError
from local_services.hdfs import HdfsCluster
from local_services.kafka import KafkaCluster
from local_services.ports import is_free
from local_services.registry import SchemaRegistry

CHECKOUT = Path(__file__).resolve().parents[2]
STATE_FOLDER = CHECKOUT / ".services"
NAMES = ("kafka", "hdfs", "registry")
DEFAULT_PORTS = {"kafka": 9092, "hdfs": 9000, "registry": 8081}

Service = KafkaCluster | HdfsCluster | SchemaRegistry

EXAMPLE = """\
example:
  scripts/services up kafka          start Kafka on 127.0.0.1:9092; the others stay as they are
  scripts/services up                start all
  scripts/services status            how they are; exit status 0 when all answer
  scripts/services down              stop all; data is kept for the next up
  scripts/services down --wipe       stop all and delete their data
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    options = _parser().parse_args(arguments)
    command = {"up": _up, "down": _down, "status": _status, "fetch": _fetch}[options.command]
    try:
        with _turn():
            return command(options.services or NAMES, options)
    except ServiceError as error:
        print(f"services: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _up(names: Sequence[str], options: argparse.Namespace) -> int:
    for name in names:
        cluster = _open(name, getattr(options, f"{name}_port"))
        if not (cluster.running and cluster.answers()):
            _require_port(name, cluster)
            print(f"{name}: starting, a few seconds", flush=True)
            cluster.start()
        print(f"{name}: up, {_address(cluster)}")
    print()
    for name in names:
        print(_next_step(_open(name)))
    print("scripts/services status tells how they are, scripts/services down stops them")
    return 0


def _status(names: Sequence[str], _: argparse.Namespace) -> int:
    all_up = True
    for name in names:
        up, words = _look(name)
        all_up &= up
        print(f"{name}: {words}")
    return 0 if all_up else 1


def _down(names: Sequence[str], options: argparse.Namespace) -> int:
    for name in names:
        folder = STATE_FOLDER / name
        if not folder.exists():
            print(f"{name}: not there")
            continue
        cluster = _open(name)
        was_running = any(server.running for server in cluster.servers)
        cluster.stop()
        done = "stopped" if was_running else "was not running"
        if options.wipe:
            shutil.rmtree(folder)
            print(f"{name}: {done}; its data is deleted")
        else:
            print(f"{name}: {done}; its data stays in {_shown(folder)} (down --wipe deletes it)")
    return 0


def _fetch(names: Sequence[str], _: argparse.Namespace) -> int:
    fetch_all([{"kafka": KAFKA, "hdfs": HDFS, "registry": REGISTRY}[name] for name in names])
    return 0


def _look(name: str) -> tuple[bool, str]:
    if not (STATE_FOLDER / name).exists():
        return False, f"down; scripts/services up {name} starts it"
    cluster = _open(name)
    gone = [server for server in cluster.servers if not server.running]
    if len(gone) == len(cluster.servers):
        return False, f"down; scripts/services up {name} starts it again with its data"
    if gone:
        return False, f"{gone[0].name} is not running; its log is {_shown(gone[0].process.log)}"
    if not cluster.answers():
        return False, f"running, but does not answer; its log is {_shown(cluster.servers[0].process.log)}"
    return True, f"up, {_address(cluster)}"


def _open(name: str, port: int | None = None) -> Service:
    """The service over its folder: with the port that is asked for, else the folder's, else the default."""
    folder = STATE_FOLDER / name
    if not folder.exists():
        port = port or DEFAULT_PORTS[name]
    elif port is not None:
        running = _open(name)
        if any(server.running for server in running.servers) and _port(running) != port:
            raise ServiceError(f"{name} runs on port {_port(running)}: scripts/services down {name} first")
    if name == "kafka":
        return KafkaCluster(folder, ports=None if port is None else [port])
    if name == "registry":
        return SchemaRegistry(folder, port=port)
    return HdfsCluster(folder, port=port)


def _port(cluster: Service) -> int:
    return cluster.nodes[0].port if isinstance(cluster, KafkaCluster) else cluster.port


def _require_port(name: str, cluster: Service) -> None:
    running = cluster.namenode.running if isinstance(cluster, HdfsCluster) else cluster.running
    port = _port(cluster)
    if not running and not is_free(port):
        raise ServiceError(
            f"port {port} on 127.0.0.1 is busy: stop what listens there, or choose another with --{name}-port"
        )


def _address(cluster: Service) -> str:
    if isinstance(cluster, HdfsCluster):
        return f"{cluster.url} (web page {cluster.web_page})"
    if isinstance(cluster, SchemaRegistry):
        return cluster.url
    return cluster.bootstrap_servers


def _next_step(cluster: Service) -> str:
    if isinstance(cluster, HdfsCluster):
        return (
            f'in a job\'s config: destination = "{cluster.url}/kafka"\n'
            f"for Spark and Hadoop: export HADOOP_CONF_DIR={cluster.config_folder}"
        )
    if isinstance(cluster, SchemaRegistry):
        return f'in a job\'s config, under [registry]: url = "{cluster.url}"'
    return f'in a job\'s config: bootstrap_servers = "{cluster.bootstrap_servers}"'


def _shown(path: Path) -> str:
    return os.path.relpath(path)


@contextmanager
def _turn() -> Iterator[None]:
    """One command at a time: two `up` at once would both find nothing running."""
    STATE_FOLDER.mkdir(exist_ok=True)
    with (STATE_FOLDER / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/services",
        description="A real Kafka, HDFS and schema registry, listening on 127.0.0.1 only, to play with.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        services = f"{', '.join(NAMES[:-1])} or {NAMES[-1]}; all when none is named"
        command.add_argument("services", nargs="*", type=_name, metavar="SERVICE", help=services)
        return command

    up = add("up", "start what is not running, and tell the addresses")
    for name in NAMES:
        text = f"default: the last one, {DEFAULT_PORTS[name]} at first"
        up.add_argument(f"--{name}-port", type=int, metavar="PORT", help=text)
    add("status", "ask each service whether it works; exit status 1 when one does not")
    down = add("down", "stop what was started; data is kept")
    down.add_argument("--wipe", action="store_true", help="delete its data and logs, too")
    add("fetch", "bring the servers' jars into the cache and start nothing")
    return parser


def _name(word: str) -> str:
    if word not in NAMES:
        raise argparse.ArgumentTypeError(f"no service {word!r}; there are {', '.join(NAMES)}")
    return word


if __name__ == "__main__":
    sys.exit(main())
