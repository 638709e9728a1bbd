"""Secrets: the job file says where they are, and the command line reads them.

They never show: `str`, `repr` and logs print stars. Pickled, for the tasks, they are plain bytes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from loader.config.kafka import SecurityConfig
from loader.config.registry import RegistryConfig
from loader.errors import ConfigError


@dataclass(frozen=True, slots=True)
class RegistrySecrets:
    """What the schema registry is asked with, None where it needs none."""

    password: SecretStr | None = None
    token: SecretStr | None = None
    key_password: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Secrets:
    """The passwords of one job, None where it needs none; `.get_secret_value()` gives the text."""

    password: SecretStr | None = None
    key_password: SecretStr | None = None
    registry: RegistrySecrets = RegistrySecrets()


def resolve_secrets(
    security: SecurityConfig,
    environment: Mapping[str, str],
    read_file: Callable[[str], bytes],
    registry: RegistryConfig | None = None,
) -> Secrets:
    """Fetch every secret that the config points at.

    read_file  gives the bytes of a named file, or raises OSError
    registry   the job's [registry], if it has one

    Raises ConfigError with every one that is missing or empty. Who else may read a secret file is not
    judged: the files that Kubernetes mounts are readable to all in their container.
    """
    problems: list[str] = []

    def resolve(section: SecurityConfig | RegistryConfig, table: str, key: str) -> SecretStr | None:
        # None of the messages says what was found: it may be a secret in the wrong place.
        file_name, variable = getattr(section, f"{key}_file"), getattr(section, f"{key}_env")
        if variable is not None:
            secret, problem = environment.get(variable), f"environment variable {variable} is not set"
            where, name = f"environment variable {variable}", f"{key}_env"
        elif file_name is not None:
            secret, problem = _read(read_file, file_name)
            where, name = f"file {file_name}", f"{key}_file"
        else:
            return None
        if secret:
            return SecretStr(secret)
        problems.append(f"{table}.{name}: {problem if secret is None else f'{where} is empty'}")
        return None

    def of_kafka(key: str) -> SecretStr | None:
        return resolve(security, "kafka.security", key)

    def of_registry(key: str) -> SecretStr | None:
        return None if registry is None else resolve(registry, "registry", key)

    secrets = Secrets(
        of_kafka("password"),
        of_kafka("key_password"),
        RegistrySecrets(of_registry("password"), of_registry("token"), of_registry("key_password")),
    )
    if problems:
        raise ConfigError(problems)
    return secrets


def _read(read_file: Callable[[str], bytes], name: str) -> tuple[str | None, str]:
    try:
        # Editors and `echo` end a file with a line end that is no part of the secret; spaces may be.
        return read_file(name).decode("utf-8").removesuffix("\n").removesuffix("\r"), ""
    except UnicodeDecodeError:
        return None, f"file {name} is not UTF-8 text"
    except OSError as error:
        return None, f"file {name} cannot be read: {error.strerror or type(error).__name__}"
