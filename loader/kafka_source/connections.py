"""kafka-python's connections, changed in three things that its version 3.0 does otherwise.

- Bytes that arrive together with the end of a connection are handed over. A broker sends "wrong password"
  and closes at once, so the reason would be lost, and the login tried again as if the network had failed.
- A refused login is remembered as one, not taken for a lost connection.
- The body of a large response is read from the socket to where it is decoded: kafka-python itself reads
  pieces of 4 KiB, joins all there are, and copies them four times more.
"""

import logging
import ssl
from functools import partial
from typing import Any

from kafka import errors as kafka_errors
from kafka.net.manager import KafkaConnectionManager
from kafka.protocol.frame import KafkaBytes

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


class Frame(KafkaBytes):  # type: ignore[misc]  # it has no types
    """The body of a response, which hands its bytes to the decoder without copying them."""

    def read(self, nbytes: int | None = None) -> bytes | memoryview:
        """The next bytes; without a number, all that are left."""
        if nbytes is not None:
            few: bytes = super().read(nbytes)
            return few
        rest = memoryview(self)[self.tell() :]
        self.seek(len(self))
        return rest


def receive(transport: Any) -> tuple[bytes, Exception | None]:
    """What a transport's socket has, up to about READ_BYTES; an error only when there is nothing.

    Returns the bytes that the parser has to look at. Those that fill the body of a response go straight
    into its frame, but for the last: with that the parser sees that the frame is complete.

    The end of a connection is seen again by the next read.
    """
    pieces: list[bytes] = []
    size = 0
    # What TLS has decrypted already must be taken: no select() tells of it.
    while size < READ_BYTES or _has_decrypted(transport._sock):
        try:
            filled = 0 if pieces else _fill_frame(transport)
            piece = b"" if filled else transport._sock.recv(READ_BYTES)
        except WOULD_BLOCK:
            break
        except OSError as error:
            if size:
                break
            return b"", kafka_errors.KafkaConnectionError(error)
        if not filled and not piece:
            if size:
                break
            return b"", kafka_errors.KafkaConnectionError("socket disconnected")
        if piece:
            pieces.append(piece)
        size += filled + len(piece)
    return b"".join(pieces), None


def _fill_frame(transport: Any) -> int:
    """Read into the frame that is coming in; how many bytes, 0 where none does, or misses only its last."""
    parser = transport._protocol.parser
    if not parser._receiving:
        return 0
    frame = parser._rbuffer
    missing = len(frame) - 1 - frame.tell()
    if missing <= 0:
        return 0
    frame.__class__ = Frame
    with memoryview(frame) as room:
        filled: int = transport._sock.recv_into(room[frame.tell() :], min(missing, READ_BYTES))
    if not filled:
        raise ConnectionResetError("socket disconnected")
    frame.seek(frame.tell() + filled)
    return filled


def _has_decrypted(sock: Any) -> bool:
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
