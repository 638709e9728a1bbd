"""kafka-python's connections, changed in three things that its version 3.0 does otherwise.

- Bytes that arrive together with the end of a connection are handed over. A broker sends "wrong password"
  and closes at once, so the reason would be lost, and the login tried again as if the network had failed.
- A refused login is remembered as one, not taken for a lost connection.
- A socket is read in large pieces, and not to its end before a byte is looked at: a response of 16 MiB
  was held three times while it came in, in pieces of 4 KiB.
"""

import logging
import ssl
from functools import partial
from typing import Any

from kafka import errors as kafka_errors
from kafka.net.manager import KafkaConnectionManager

READ_BYTES = 1 << 20

DENIED = (
    kafka_errors.AuthorizationError,
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
)

WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

for _name in ("kafka.protocol.parser", "kafka.net.connection"):
    # At level DEBUG they write requests as they are, the password of a login among them.
    logging.getLogger(_name).addFilter(lambda record: record.levelno > logging.DEBUG)


class ConnectionManager(KafkaConnectionManager):  # type: ignore[misc]  # it has no types
    """Makes connections, and remembers that a broker refused this user for the next who asks for it."""

    async def _build_transport(self, *arguments: Any, **options: Any) -> Any:
        transport = await super()._build_transport(*arguments, **options)
        transport._sock_recv = partial(receive, transport)
        return transport

    async def _connect(self, node: Any, conn: Any, *arguments: Any, **options: Any) -> None:
        await super()._connect(node, conn, *arguments, **options)
        if isinstance(conn.init_future.exception, DENIED):
            self._auth_failures[node.node_id] = conn.init_future.exception


def receive(transport: Any) -> tuple[bytes, Exception | None]:
    """Bytes that a transport's socket has, up to about READ_BYTES; an error only when there are none.

    The end of a connection is seen again by the next read.
    """
    pieces: list[bytes] = []
    size = 0
    # What TLS has decrypted already must be taken: no select() tells of it.
    while size < READ_BYTES or _has_decrypted(transport._sock):
        try:
            piece = transport._sock.recv(READ_BYTES)
        except WOULD_BLOCK:
            break
        except OSError as error:
            if pieces:
                break
            return b"", kafka_errors.KafkaConnectionError(error)
        if not piece:
            if pieces:
                break
            return b"", kafka_errors.KafkaConnectionError("socket disconnected")
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces), None


def _has_decrypted(sock: Any) -> bool:
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
