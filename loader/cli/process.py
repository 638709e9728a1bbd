"""What a command takes from around it: the clock, the environment, who runs it, and which process it is."""

import getpass
import os
import platform
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

from loader.commits.runs import RunTicket
from loader.config.kafka import KafkaConfig
from loader.config.load import load_config
from loader.config.secrets import resolve_secrets
from loader.errors import ConfigError
from loader.kafka_source.settings import KafkaSettings
from loader.operations.job import Job, open_job


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def read_job(config_path: Path) -> Job:
    """The job of a config file, with its secrets. Raises ConfigError."""
    config = load_config(config_path)
    found = resolve_secrets(
        config.kafka.security, os.environ, lambda name: Path(name).read_bytes(), config.registry
    )
    return open_job(config, found)


def read_kafka(config_path: Path | None, servers: str | None, client_id: str) -> KafkaSettings:
    """How to reach brokers: by the [kafka] of a job file, or by their addresses, `host:port` with commas.

    Raises ConfigError, also where both are given or none.
    """
    if config_path is not None and servers is None:
        return read_job(config_path).kafka
    if config_path is not None or servers is None:
        raise ConfigError(["needs --config or --bootstrap-servers, and not both"])
    try:
        kafka = KafkaConfig(bootstrap_servers=tuple(servers.split(",")))
    except ValueError:
        # What stands there is not repeated where it may hold a password.
        given = "" if "@" in servers else f" {servers}"
        raise ConfigError([f"--bootstrap-servers{given}: needs host:port, several with commas"]) from None
    return KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, client_id=client_id)


def new_run_id() -> str:
    """Sorts by time and is unique."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def new_ticket(base_version: int, run_id: str = "", run_by: str = "") -> RunTicket:
    """The ticket of this process, for one run: of that id, or of one of its own.

    run_by  who the commit says has run it; by default the user of this process and the host
    """
    return RunTicket(
        run_id=run_id or new_run_id(),
        base_version=base_version,
        started_at_ms=now_ms(),
        started_by=run_by or f"{_user()}@{platform.node()}",
        host=_host(),
        process_id=os.getpid(),
        process_started=_started(os.getpid()),
    )


def is_dead(ticket: RunTicket) -> bool:
    """Whether the driver of a run certainly no longer exists: a process of this host that is gone."""
    if ticket.host != _host() or not ticket.process_started or _is_hidden(ticket.process_id):
        return False
    return _started(ticket.process_id) != ticket.process_started


def _is_hidden(process_id: int) -> bool:
    """Whether a process is there that this user may not see, as where /proc is mounted with hidepid."""
    if os.access(f"/proc/{process_id}/stat", os.R_OK):
        return False
    try:
        os.kill(process_id, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return str(os.getuid())


def _host() -> str:
    """This host since it was last booted: after a reboot, or in another container, process ids begin anew."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return platform.node()
    return f"{platform.node()} {boot} {namespace}"


def _started(process_id: int) -> str:
    """When a process of this host started, in the kernel's ticks; "" when there is none of that id."""
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text()
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state == "Z" else fields[18]
