"""Ports on 127.0.0.1 for servers that stop and come back on the same one."""

import random
import socket

from local_services.errors import ServiceError

# Below 32768, where Linux begins to hand out ports to outgoing connections: a port from up there could be
# taken by anybody's connection while its server is stopped, and the server could not come back.
_CANDIDATES = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:port now."""
    with socket.socket() as probe:
        # As Java's servers do: a port whose old connections are still in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def choose_ports(count: int) -> list[int]:
    """`count` different ports that are free now. Nothing reserves them: start the servers soon."""
    chosen: list[int] = []
    for port in random.sample(_CANDIDATES, len(_CANDIDATES)):
        if len(chosen) == count:
            break
        if is_free(port):
            chosen.append(port)
    if len(chosen) < count:
        raise ServiceError(f"found only {len(chosen)} free ports of {count} on 127.0.0.1: stop some servers")
    return chosen


def require_free(port: int, server: str) -> None:
    """Raises when something else listens on 127.0.0.1:port."""
    if not is_free(port):
        raise ServiceError(
            f"port {port} on 127.0.0.1 is busy, and {server} needs it: stop what listens there"
        )


def accepts_connections(port: int) -> bool:
    """Whether something listens on 127.0.0.1:port. That it answers requests is not proven by this."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
