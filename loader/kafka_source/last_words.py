"""What a broker says just before it hangs up is heard: above all that a login failed.

kafka-python 3.0 drops bytes that arrive together with the end of the connection. A broker sends "wrong
password" and closes at once, so the reason would be lost, and the login tried again as if the network had
failed. Handing over the bytes first is enough: the end is seen again by the next read.

And its manager takes a refused login for a lost connection unless the failure is raised where it connects,
which that version does not do.
"""

import logging
from typing import Any

from kafka import errors as kafka_errors
from kafka.net.manager import KafkaConnectionManager
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

DENIED = (
    kafka_errors.AuthorizationError,
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
)

for _name in ("kafka.protocol.parser", "kafka.net.connection"):
    # At level DEBUG they write requests as they are, the password of a login among them.
    logging.getLogger(_name).addFilter(lambda record: record.levelno > logging.DEBUG)


class AttentiveManager(KafkaConnectionManager):  # type: ignore[misc]  # it has no types
    """Remembers that a broker refused this user, and says so to the next who asks for it."""

    async def _connect(self, node: Any, conn: Any, *arguments: Any, **options: Any) -> None:
        await super()._connect(node, conn, *arguments, **options)
        if isinstance(conn.init_future.exception, DENIED):
            self._auth_failures[node.node_id] = conn.init_future.exception


def hear_last_words() -> None:
    """Change kafka-python's transports so; once is enough, more does no harm."""
    for transport in (KafkaTCPTransport, KafkaSSLTransport):
        if not hasattr(transport._sock_recv, "hears_last_words"):
            transport._sock_recv = _hearing(transport._sock_recv)


def _hearing(receive: Any) -> Any:
    def _sock_recv(transport: Any) -> tuple[bytes, Exception | None]:
        data, error = receive(transport)
        return (data, None) if data else (data, error)

    _sock_recv.hears_last_words = True  # type: ignore[attr-defined]
    return _sock_recv
