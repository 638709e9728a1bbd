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
_SETTINGS = {
    # By default it tries to connect for about 3 minutes, here for about 40 s, which is less than the
    # deadline: a call to a NameNode that is down should end, not be left behind and be done later.
    "dfs.client.failover.max.attempts": "6",
}
_LOGIN_SETTINGS = ("HADOOP_CONF_DIR", "HADOOP_HOME", "HADOOP_USER_NAME", "HADOOP_PROXY_USER", "KRB5CCNAME")


_clients: dict[tuple[str | None, ...], Client] = {}
_forked_at: float | None = None


def client_of(authority: str) -> Client:
    """The client of `hdfs://authority`, with the Hadoop settings and the user of the environment."""
    key = (authority, *(os.environ.get(name) for name in _LOGIN_SETTINGS))
    client = _clients.get(key)
    if client is None:
        client = Client(f"hdfs://{authority}", _SETTINGS)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(client))
        client = _clients.setdefault(key, client)
    return client


def wait_for_own_sockets() -> None:
    """Before a read: let what the parent's sockets left in the cache run out."""
    if _forked_at is not None:
        left_s = _forked_at + _CACHED_SOCKETS_S + 0.1 - time.monotonic()
        if left_s > 0:
            time.sleep(left_s)


def _forget_the_parents() -> None:
    global _forked_at
    if _clients:
        _clients.clear()
        _forked_at = time.monotonic()


os.register_at_fork(after_in_child=_forget_the_parents)
