import logging
import pickle

import pytest

from loader.config.kafka import SecurityConfig
from loader.config.secrets import Secrets, resolve_secrets
from loader.errors import ConfigError


def scram(keys: dict[str, str]) -> SecurityConfig:
    return SecurityConfig.model_validate(
        {"protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", "username": "u", **keys}
    )


def no_file(name: str) -> bytes:
    raise FileNotFoundError(2, "No such file or directory", name)


def password_of(secrets: Secrets) -> str | None:
    return secrets.password.get_secret_value() if secrets.password else None


def test_a_job_without_secrets_reads_none() -> None:
    assert resolve_secrets(SecurityConfig(), {}, no_file) == Secrets()


def test_a_secret_comes_from_the_variable_that_is_named() -> None:
    assert password_of(resolve_secrets(scram({"password_env": "P"}), {"P": "hunter2"}, no_file)) == "hunter2"


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b"hunter2\n\n", "hunter2\n"),
        (b" hunter2 ", " hunter2 "),
        ("ключ".encode(), "ключ"),
    ],
)
def test_only_the_line_end_of_a_secret_file_is_dropped(content: bytes, secret: str) -> None:
    assert password_of(resolve_secrets(scram({"password_file": "f"}), {}, lambda _: content)) == secret


def test_the_key_has_a_password_of_its_own() -> None:
    security = scram({"password_env": "P", "certificate_file": "c", "key_password_file": "k"})

    secrets = resolve_secrets(security, {"P": "one"}, {"k": b"two"}.__getitem__)

    assert password_of(secrets) == "one"
    assert secrets.key_password is not None
    assert secrets.key_password.get_secret_value() == "two"


def test_every_missing_secret_is_named_at_once() -> None:
    security = scram({"password_env": "P", "certificate_file": "c", "key_password_file": "/etc/k"})

    with pytest.raises(ConfigError) as refused:
        resolve_secrets(security, {}, no_file)

    assert refused.value.problems == (
        "kafka.security.password_env: environment variable P is not set",
        "kafka.security.key_password_file: file /etc/k cannot be read: No such file or directory",
    )


@pytest.mark.parametrize("content", [b"", b"\n"])
def test_an_empty_secret_is_a_missing_one(content: bytes) -> None:
    with pytest.raises(ConfigError, match=r"kafka\.security\.password_file: file f is empty"):
        resolve_secrets(scram({"password_file": "f"}), {}, lambda _: content)
    with pytest.raises(ConfigError, match=r"kafka\.security\.password_env: environment variable P is empty"):
        resolve_secrets(scram({"password_env": "P"}), {"P": ""}, no_file)


def test_a_secret_file_that_is_not_text_is_refused_without_its_bytes() -> None:
    with pytest.raises(ConfigError, match="file f is not UTF-8 text") as refused:
        resolve_secrets(scram({"password_file": "f"}), {}, lambda _: b"hunter2\xff")

    assert "hunter2" not in str(refused.value)


def test_a_secret_never_shows(caplog: pytest.LogCaptureFixture) -> None:
    secrets = resolve_secrets(scram({"password_env": "P"}), {"P": "hunter2"}, no_file)

    copied = pickle.loads(pickle.dumps(secrets))  # noqa: S301 - made one line above
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("loader").info("using %s %r", secrets, copied)

    assert password_of(copied) == "hunter2"
    assert "hunter2" not in f"{secrets} {secrets!r} {copied!r} {caplog.text}"
