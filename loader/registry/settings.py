"""How to reach the schema registry: a job's config with its secrets, small enough to send to every task."""

from dataclasses import dataclass, field

from pydantic import SecretStr

from loader.config.registry import RegistryConfig
from loader.config.secrets import RegistrySecrets


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """What a client needs to know. Its text never shows passwords and tokens.

    urls             of replicas, asked in turn
    give_up_after_s  how long to ask again where nothing answers
    """

    urls: tuple[str, ...]
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    key_password: str | None = field(default=None, repr=False)
    request_timeout_ms: int = 10_000
    give_up_after_s: float = 30.0


def registry_settings(config: RegistryConfig, secrets: RegistrySecrets) -> RegistrySettings:
    """The settings of a job's [registry]."""
    return RegistrySettings(
        urls=config.url,
        username=config.username,
        password=_text(secrets.password),
        token=_text(secrets.token),
        ca_file=config.ca_file,
        certificate_file=config.certificate_file,
        key_file=config.key_file,
        key_password=_text(secrets.key_password),
        request_timeout_ms=config.request_timeout_ms,
        give_up_after_s=config.give_up_after_s,
    )


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
