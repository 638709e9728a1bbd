"""A TCP proxy before a NameNode that loses chosen requests or replies.

Hadoop's RPC names the method in the request, `rename2`, so what a client sends can be recognized
without decoding it. A client keeps one connection and has one call under way at a time here.
"""

import contextlib
import enum
import socket
import threading
import time
from types import TracebackType
from typing import Self


class Loss(enum.Enum):
    """What becomes of a call. The connection is cut, except by the last two, which leave it silent."""

    REPLY_CUT = "the call reaches the NameNode, its reply is lost"
    REQUEST_CUT = "the call never arrives"
    REPLY_HELD = "the call reaches the NameNode, its reply does not come"
    REQUEST_HELD = "the call never arrives, and the client is not told"


class RpcProxy:
    """Listens on 127.0.0.1; `lose` says what happens to the next calls of a method."""

    def __init__(self, namenode_port: int) -> None:
        self._namenode_port = namenode_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._losses: dict[bytes, list[Loss]] = {}
        self._lock = threading.Lock()
        self.calls_lost = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where a client connects."""
        port: int = self._listener.getsockname()[1]
        return port

    def lose(self, method: str, loss: Loss, times: int = 1) -> None:
        """Lose the next `times` calls of `method`."""
        with self._lock:
            self._losses.setdefault(method.encode(), []).extend([loss] * times)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _cut(self._listener, *self._sockets)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                namenode = socket.create_connection(("127.0.0.1", self._namenode_port))
                self._sockets += [client, namenode]
                deaf = threading.Event()
                for target, arguments in (
                    (self._requests, (client, namenode, deaf)),
                    (self._replies, (namenode, client, deaf)),
                ):
                    threading.Thread(target=target, args=arguments, daemon=True).start()

    def _requests(self, client: socket.socket, namenode: socket.socket, deaf: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                loss = self._loss_of(data)
                if loss in (Loss.REPLY_CUT, Loss.REPLY_HELD):
                    deaf.set()
                    namenode.sendall(data)
                    time.sleep(0.3)  # the NameNode skips a call whose connection is gone when its turn comes
                elif loss is None:
                    namenode.sendall(data)
                if loss in (Loss.REPLY_CUT, Loss.REQUEST_CUT):
                    break
        if not deaf.is_set() or loss is Loss.REPLY_CUT:
            _cut(client, namenode)

    def _replies(self, namenode: socket.socket, client: socket.socket, deaf: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := namenode.recv(1 << 16):
                if not deaf.is_set():
                    client.sendall(data)
        if not deaf.is_set():
            _cut(client, namenode)

    def _loss_of(self, data: bytes) -> Loss | None:
        with self._lock:
            for method, losses in self._losses.items():
                if losses and b"\x0a" + bytes([len(method)]) + method in data:  # a protobuf string, field 1
                    self.calls_lost += 1
                    return losses.pop(0)
        return None


def _cut(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
