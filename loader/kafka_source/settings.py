"""How to reach the brokers: a job's config with its secrets resolved, small enough to send to every task."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Isolation = Literal["read_committed", "read_uncommitted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """What a client needs to know. Its text never shows `security`, which holds passwords.

    security           keyword arguments of kafka-python: security_protocol, sasl_…, ssl_…
    stall_timeout_s    how long a range may make no progress before its task fails
    fetch_max_bytes    of one fetch; the broker sends one whole batch more where a batch is larger
    fetch_max_wait_ms  how long a broker may hold a fetch that has nothing to send
    """

    bootstrap_servers: tuple[str, ...]
    client_id: str
    isolation: Isolation = "read_committed"
    client_rack: str = ""
    request_timeout_ms: int = 30_000
    stall_timeout_s: float = 120.0
    fetch_max_bytes: int = 8 * 1024 * 1024
    fetch_max_wait_ms: int = 500
    security: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def isolation_level(self) -> int:
        """As the Fetch and ListOffsets requests spell it (KIP-98)."""
        return 1 if self.isolation == "read_committed" else 0
