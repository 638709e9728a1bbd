"""Requests to brokers, by kafka-python's connection manager.

The manager does connections, TLS, SASL and its renewal, version negotiation, throttling and
reconnect backoff. Records do not go through kafka-python's consumer: a response's record bytes are
taken as they are. These classes are not part of kafka-python's public API, which is why its minor
version is pinned and `tests/kafka_source/test_client.py` holds what is used of them.

A client belongs to one thread of one process: made before a fork, it is dead after it.
"""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from kafka import errors as kafka_errors
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.protocol.metadata import MetadataRequest

from loader.errors import AccessDenied, BrokerUnavailable, ConfigError, UnsupportedBroker
from loader.kafka_source.settings import KafkaSettings

# A batch larger than a fetch's max_bytes is sent whole (KIP-74), and its size is the topic's choice, up
# to an int32. The frame limit guards against speaking to something that is not Kafka, nothing else.
MAX_FRAME_BYTES = 2**31 - 1

DENIED = (
    kafka_errors.AuthorizationError,
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
)


class KafkaClient:
    """Sends requests to the brokers of one cluster and returns their responses.

    Errors: AccessDenied where a broker refuses this user, BrokerUnavailable where none answers in time,
    ConfigError where an address is not one.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings
        self._net = NetworkSelector(client_id=settings.client_id)
        try:
            self._manager = KafkaConnectionManager(
                self._net,
                bootstrap_servers=list(settings.bootstrap_servers),
                client_id=settings.client_id,
                request_timeout_ms=settings.request_timeout_ms,
                receive_message_max_bytes=MAX_FRAME_BYTES,
                reconnect_backoff_max_ms=2_000,
                **settings.security,
            )
        except (ValueError, OSError) as error:
            raise ConfigError([f"kafka: {error}"]) from error

    def __enter__(self) -> "KafkaClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._manager.close()
        self._net.close()

    def connect(self, timeout_ms: int) -> None:
        """Find a bootstrap server that answers; at once when one did before."""
        if self._manager.bootstrapped:
            return
        try:
            self._manager.bootstrap(timeout_ms=timeout_ms)
        except DENIED as error:
            raise self._denied(error) from error
        except kafka_errors.KafkaError as error:
            self._raise_if_denied()
            raise BrokerUnavailable(
                f"no answer from {', '.join(self.settings.bootstrap_servers)} within {timeout_ms} ms"
                f" ({_reason(error)}). Nothing was read or written. Check that the brokers run, that this"
                " host reaches them, and that kafka.security.protocol is theirs."
            ) from error

    def ask(self, request: Any, node_id: int | None = None) -> Any:
        """Send one request, to any broker when `node_id` is None; returns its response.

        Raises BrokerUnavailable at the first failure of the connection: the caller knows for how long
        to try again.
        """
        answer = self.ask_each({node_id: request})[node_id]
        if isinstance(answer, DENIED):
            raise self._denied(answer) from answer
        if isinstance(answer, kafka_errors.UnsupportedVersionError):
            raise UnsupportedBroker(
                f"the brokers are too old: {_reason(answer)} Nothing was committed. Kafka 3.1 or newer is"
                " needed, which answers fetches by topic id (KIP-516)."
            ) from answer
        if isinstance(answer, Exception):
            name = "any broker" if node_id is None else self.address_of(node_id)
            raise BrokerUnavailable(f"{name}: {_reason(answer)}") from answer
        return answer

    def ask_each(self, requests: Mapping[int | None, Any]) -> dict[int | None, Any]:
        """Send a request to each of several brokers at once; each gives a response or an exception."""
        answers: dict[int | None, Any] = self._net.run(self._exchange, requests)
        return answers

    async def _exchange(self, requests: Mapping[int | None, Any]) -> dict[int | None, Any]:
        answers: dict[int | None, Any] = {}
        sent = {}
        for node_id, request in requests.items():
            try:
                sent[node_id] = self._manager.send(request, node_id=node_id)
            except kafka_errors.KafkaError as error:  # a broker that left, or one that refuses this user
                answers[node_id] = error
        for node_id, future in sent.items():
            try:
                answers[node_id] = await future
            except kafka_errors.KafkaError as error:
                answers[node_id] = error
        return answers

    def read_metadata(self, topics: list[str] | None) -> Any:
        """A Metadata response for these topics, or for all; also renews where the brokers are."""
        wanted = (
            None if topics is None else [MetadataRequest.MetadataRequestTopic(name=name) for name in topics]
        )
        response = self.ask(MetadataRequest(topics=wanted, allow_auto_topic_creation=False))
        if response.brokers:
            self._manager.cluster.update_metadata(response)
        return response

    def address_of(self, node_id: int) -> str:
        """How to name a broker in a message: `broker 3 (host:port)`."""
        broker = self._manager.cluster.broker_metadata(node_id)
        return f"broker {node_id} ({broker.host}:{broker.port})" if broker else f"broker {node_id}"

    def _denied(self, error: Exception) -> AccessDenied:
        return AccessDenied(
            f"Kafka refuses this user: {_reason(error)}. Nothing was read or written. Check"
            " [kafka.security] and the cluster's ACLs."
        )

    def _raise_if_denied(self) -> None:
        # A bootstrap that fails by authentication is retried by the manager until it reports a timeout;
        # what really happened is kept per node.
        for broker in self._manager.cluster.bootstrap_brokers():
            error = self._manager.auth_failure(broker.node_id)
            if error is not None:
                raise self._denied(error) from error


def _reason(error: Exception) -> str:
    """A kafka-python error in words; many of them have no text but a class name."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def monotonic_ms() -> int:
    """Milliseconds of a clock that never goes back."""
    return time.monotonic_ns() // 1_000_000
