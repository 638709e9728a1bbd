"""What a broker says just before it hangs up is heard: above all that a login failed.

kafka-python 3.0 drops bytes that arrive together with the end of the connection. A broker sends "wrong
password" and closes at once, so the reason would be lost, and the login tried again as if the network had
failed. Handing over the bytes first is enough: the end is seen again by the next read.
"""

from typing import Any

from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport


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
