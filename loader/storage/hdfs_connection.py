"""The clients of this process: one for each HDFS and login, made when first used.

A client is never shared with a child process, and never destroyed.

- After a fork its threads are missing in the child: a call on it hangs, and so does its destructor,
  be it at the child's exit. So the child forgets it and makes its own.
- For the same reason nothing may drop it: a reference is kept that nobody gives back.
- Its sockets to DataNodes are shared with the child for as long as hdfs-native caches them, 3 s after
  a read. A child that reads from one hangs, so its first reads wait until they have run out.
"""

import ctypes
import os
import time

from hdfs_native import Client

_CACHED_SOCKETS_S = 3.0
_LOGIN_SETTINGS = ("HADOOP_CONF_DIR", "HADOOP_HOME", "HADOOP_USER_NAME", "HADOOP_PROXY_USER", "KRB5CCNAME")


class Connection:
    """A client, and the paths that this process creates or writes through it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._claims: dict[str, object] = {}

    def claim(self, path: str) -> bool:
        """Take a path for a new file; False when another thread has it."""
        claim = object()
        return self._claims.setdefault(path, claim) is claim

    def give_up(self, path: str) -> None:
        """The file is finished, abandoned, or was not made."""
        self._claims.pop(path, None)


_connections: dict[tuple[str | None, ...], Connection] = {}
_forked_at: float | None = None


def connection_to(authority: str) -> Connection:
    """The connection to `hdfs://authority` with the Hadoop settings and the user of the environment."""
    key = (authority, *(os.environ.get(name) for name in _LOGIN_SETTINGS))
    connection = _connections.get(key)
    if connection is None:
        client = Client(f"hdfs://{authority}")
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(client))
        connection = _connections.setdefault(key, Connection(client))
    return connection


def wait_for_own_sockets() -> None:
    """Before a read: let what the parent's sockets left in the cache run out."""
    if _forked_at is not None:
        left_s = _forked_at + _CACHED_SOCKETS_S + 0.1 - time.monotonic()
        if left_s > 0:
            time.sleep(left_s)


def _forget_the_parents() -> None:
    global _forked_at
    if _connections:
        _connections.clear()
        _forked_at = time.monotonic()


os.register_at_fork(after_in_child=_forget_the_parents)
