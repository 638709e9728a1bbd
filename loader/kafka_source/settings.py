"""How to reach the brokers: a job's config with its secrets resolved, small enough to send to every task."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import SecretStr

from loader.config.kafka import SecurityConfig
from loader.config.secrets import Secrets

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


def security_options(security: SecurityConfig, secrets: Secrets) -> dict[str, Any]:
    """The config's [kafka.security] as kafka-python's options. Passwords in it are plain text."""
    options: dict[str, Any] = {
        "security_protocol": security.protocol,
        "sasl_mechanism": security.sasl_mechanism,
        "sasl_plain_username": security.username,
        "sasl_plain_password": _text(secrets.password),
        "sasl_kerberos_service_name": security.kerberos_service_name,
        "ssl_cafile": security.ca_file,
        "ssl_certfile": security.certificate_file,
        "ssl_keyfile": security.key_file,
        "ssl_password": _text(secrets.key_password),
        "ssl_check_hostname": security.check_hostname,
    }
    return {name: value for name, value in options.items() if value is not None}


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
