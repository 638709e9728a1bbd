"""Requests to brokers, by kafka-python's connection manager.

The manager does connections, TLS, SASL and its renewal, version negotiation, throttling and
reconnect backoff. Records do not go through kafka-python's consumer: a response's record bytes are
taken as they are. These classes are not part of kafka-python's public API, which is why its minor
version is pinned and `tests/kafka_source/test_client.py` holds what is used of them.

A client belongs to one thread of one process: made before a fork, it is dead after it.
"""

import random
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from kafka import errors as kafka_errors
from kafka.net.selector import NetworkSelector
from kafka.protocol.metadata import MetadataRequest

from loader.errors import AccessDenied, BrokerUnavailable, ConfigError, UnsupportedBroker
from loader.kafka_source.connections import DENIED, ConnectionManager
from loader.kafka_source.settings import KafkaSettings

# A batch larger than a fetch's max_bytes is sent whole (KIP-74), and its size is the topic's choice, up
# to an int32. The frame limit guards against speaking to something that is not Kafka, nothing else.
MAX_FRAME_BYTES = 2**31 - 1

FIRST_PATIENCE_S = 0.5
"""For one bootstrap server, in the first round: enough to say hello with TLS and a login over a long way."""

LONGEST_SETUP_MS = 10_000
"""For a connection to a broker and its login, at first; a hung broker takes connections and stays silent."""

MOST_SHOWN = 5
"""Brokers that one message names."""

TRIES = 3
RETRY_PAUSE_S = 0.2


class KafkaClient:
    """Sends requests to the brokers of one cluster and returns their responses.

    Errors: AccessDenied where a broker refuses this user, BrokerUnavailable where none answers in time,
    ConfigError where an address is not one.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings
        self._net = NetworkSelector(client_id=settings.client_id)
        self._manager = self._new_manager(settings.bootstrap_servers)

    def _new_manager(self, bootstrap_servers: Sequence[str]) -> Any:
        try:
            return ConnectionManager(
                self._net,
                bootstrap_servers=list(bootstrap_servers),
                client_id=self.settings.client_id,
                request_timeout_ms=self.settings.request_timeout_ms,
                socket_connection_setup_timeout_ms=min(
                    self.settings.request_timeout_ms / TRIES, LONGEST_SETUP_MS
                ),
                socket_connection_setup_timeout_max_ms=self.settings.request_timeout_ms,
                receive_message_max_bytes=MAX_FRAME_BYTES,
                reconnect_backoff_max_ms=2_000,
                **self.settings.security,
            )
        except (ValueError, OSError) as error:
            raise ConfigError([f"kafka: {error}"]) from error

    def __enter__(self) -> Self:
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
        """Find a bootstrap server that answers, and a broker that does; at once when one did before.

        Each server is asked by itself, in rounds of growing patience: the manager, given several, picks
        one by chance and may wait out all of `timeout_ms` for a host that is off.
        """
        if self._manager.bootstrapped:
            return
        servers = list(self.settings.bootstrap_servers)
        random.shuffle(servers)  # not all tasks at the same broker
        deadline_s = time.monotonic() + timeout_ms / 1000
        patience_s = FIRST_PATIENCE_S
        reason = ""
        while time.monotonic() < deadline_s:
            for server in servers:
                left_s = deadline_s - time.monotonic()
                reason = self._try_to_connect(server, min(patience_s, max(left_s, 0.001))) or ""
                if self._manager.bootstrapped:
                    self._require_advertised(server)
                    return
            patience_s *= 2
        raise BrokerUnavailable(
            f"no answer from {', '.join(self.settings.bootstrap_servers)} within {timeout_ms} ms"
            f" ({reason}). Nothing was read or written. Check that the brokers run, that this host"
            " reaches them, and that kafka.security.protocol is theirs."
        )

    def _try_to_connect(self, server: str, patience_s: float) -> str | None:
        """Ask one bootstrap server; what went wrong, None when nothing did. Raises AccessDenied."""
        self._manager.close()
        self._manager = self._new_manager([server])
        try:
            self._manager.bootstrap(timeout_ms=patience_s * 1000)
        except DENIED as error:
            raise self.denied(error) from error
        except kafka_errors.KafkaError as error:
            self._raise_if_denied()
            return _reason(error)
        return None

    def _require_advertised(self, bootstrap_server: str) -> None:
        """Raise BrokerUnavailable when no broker answers at the address that it tells clients to use.

        That is no outage to wait for: a broker has just answered, at another address. Where that address is
        one of those advertised, brokers that do not answer are away, and may come back.
        """
        brokers = list(self._manager.cluster.brokers())
        if not brokers or bootstrap_server in [f"{each.host}:{each.port}" for each in brokers]:
            return
        node_ids = [each.node_id for each in random.sample(brokers, len(brokers))]
        problems: list[str] = []
        for asked in (node_ids[:1], node_ids[1:]):  # mostly the first answers, and no other is troubled
            for node_id, answer in self.ask_each({each: _metadata_request([]) for each in asked}).items():
                if not isinstance(answer, Exception):
                    return
                if isinstance(answer, DENIED):
                    raise self.denied(answer) from answer
                problems.append(f"{self.address_of(node_id)}: {_reason(answer)}")
        shown = "; ".join(sorted(problems)[:MOST_SHOWN])
        raise BrokerUnavailable(
            f"{bootstrap_server} answers, but none of the addresses that its brokers advertise: {shown}."
            " Nothing was read or written. Brokers tell clients where to connect: set their"
            " advertised.listeners to names and ports that this host reaches, or let this host reach these."
        )

    def ask(self, request: Any, node_id: int | None = None, timeout_ms: float | None = None) -> Any:
        """Send one request, to any broker when `node_id` is None; returns its response.

        timeout_ms  instead of the settings' request_timeout_ms

        Raises BrokerUnavailable at the first failure of the connection: the caller knows for how long
        to try again.
        """
        answer = self.ask_each({node_id: request}, timeout_ms)[node_id]
        if isinstance(answer, DENIED):
            raise self.denied(answer) from answer
        if isinstance(answer, kafka_errors.UnsupportedVersionError):
            raise UnsupportedBroker(
                f"the brokers are too old: {_reason(answer)} Nothing was committed. Kafka 3.1 or newer is"
                " needed, which answers fetches by topic id (KIP-516)."
            ) from answer
        if isinstance(answer, Exception):
            name = "any broker" if node_id is None else self.address_of(node_id)
            raise BrokerUnavailable(f"{name}: {_reason(answer)}") from answer
        return answer

    def ask_each(
        self, requests: Mapping[int | None, Any], timeout_ms: float | None = None
    ) -> dict[int | None, Any]:
        """Send a request to each of several brokers at once; each gives a response or an exception."""
        answers: dict[int | None, Any] = self._net.run(self._exchange, requests, timeout_ms)
        return answers

    async def _exchange(
        self, requests: Mapping[int | None, Any], timeout_ms: float | None
    ) -> dict[int | None, Any]:
        answers: dict[int | None, Any] = {}
        sent = {}
        for node_id, request in requests.items():
            try:
                sent[node_id] = self._manager.send(request, node_id=node_id, request_timeout_ms=timeout_ms)
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
        response = self.ask_any(_metadata_request(topics))
        if response.brokers:
            self._manager.cluster.update_metadata(response)
        return response

    def read_metadata_of_each(self, topics: list[str]) -> list[Any]:
        """A Metadata response for these topics from every broker that gives one."""
        requests = {each.node_id: _metadata_request(topics) for each in self._manager.cluster.brokers()}
        answers = self.ask_each(requests, self.settings.request_timeout_ms / TRIES)
        return [answer for answer in answers.values() if not isinstance(answer, Exception)]

    def ask_any(self, request: Any) -> Any:
        """Ask brokers until one answers: one that has just died, or hangs, is still in the metadata.

        Raises BrokerUnavailable, AccessDenied and UnsupportedBroker, as `ask` does.

        The tries share the time of a request, and go to one broker after the other, so that a hung one
        does not use up what the others need.
        """
        first = self._manager.least_loaded_node()
        others = [each.node_id for each in self._manager.cluster.brokers() if each.node_id != first]
        node_ids = [first, *random.sample(others, len(others))]
        for number in range(TRIES):
            try:
                node_id = node_ids[number % len(node_ids)]
                return self.ask(request, node_id, self.settings.request_timeout_ms / TRIES)
            except BrokerUnavailable as error:
                if number == TRIES - 1:
                    raise BrokerUnavailable(
                        f"no broker answers ({error}). Nothing was committed. Run again; if it repeats, check"
                        " that the brokers run and that this host reaches the addresses they advertise."
                    ) from error
            time.sleep(RETRY_PAUSE_S)
        raise AssertionError("unreachable")

    @property
    def brokers(self) -> dict[int, str]:
        """The address, host:port, that each broker of the cluster advertises, by its node id."""
        return {each.node_id: f"{each.host}:{each.port}" for each in self._manager.cluster.brokers()}

    def address_of(self, node_id: int | None) -> str:
        """How to name a broker in a message: `broker 3 (host:port)`."""
        broker = self._manager.cluster.broker_metadata(node_id)
        return f"broker {node_id} ({broker.host}:{broker.port})" if broker else f"broker {node_id}"

    def denied(self, error: Exception) -> AccessDenied:
        """What to raise for one of DENIED."""
        return AccessDenied(
            f"Kafka refuses this user: {_reason(error)}. Nothing was committed. Check"
            " [kafka.security] and the cluster's ACLs."
        )

    def _raise_if_denied(self) -> None:
        # A bootstrap that fails by authentication is retried by the manager until it reports a timeout;
        # what really happened is kept per node.
        for broker in self._manager.cluster.bootstrap_brokers():
            error = self._manager.auth_failure(broker.node_id)
            if error is not None:
                raise self.denied(error) from error


def _metadata_request(topics: list[str] | None) -> Any:
    wanted = None if topics is None else [MetadataRequest.MetadataRequestTopic(name=name) for name in topics]
    return MetadataRequest(topics=wanted, allow_auto_topic_creation=False)


def _reason(error: Exception) -> str:
    """A kafka-python error in words; many have no text but a class name, some begin their text with it."""
    name, text = type(error).__name__, str(error)
    if not text:
        return name
    return text if text.startswith(name) else f"{name}: {text}"
