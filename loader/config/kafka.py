"""How to reach the brokers, and as whom."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from loader.config.section import Conflict, Section

Filled = Annotated[str, Field(min_length=1)]


def _host_and_port(server: str) -> str:
    if "@" in server:
        # What stands there is not repeated: it may hold a password.
        raise ValueError("must be host:port and nothing else; a login belongs into [kafka.security]")
    host, colon, port = server.rpartition(":")
    if not colon or not host or (":" in host and not re.fullmatch(r"\[[^\[\]]+\]", host)):
        raise ValueError(f"{server!r} must be host:port, for example kafka1.example.com:9092")
    if re.search(r"[\s/,]", host):
        raise ValueError(f"{server!r} must be host:port and nothing else; write several as a list")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{server!r}: the port must be a number from 1 to 65535")
    return server


def _variable_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        # The text is not repeated: it may be the secret itself.
        raise ValueError("must be the name of an environment variable (letters, digits, _), never the secret")
    return name


VariableName = Annotated[str, AfterValidator(_variable_name)]


class SecurityConfig(Section):
    """Encryption and login. File names are taken from the working directory when they are relative."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """SSL encrypts, SASL logs in. PLAINTEXT does neither; SASL_PLAINTEXT sends the login unencrypted."""

    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI"] | None = None
    """How to log in. PLAIN and SCRAM take username and a password; GSSAPI takes the Kerberos ticket of
    the user who runs the job, and needs the Python package gssapi."""

    username: Filled | None = None
    """The user for PLAIN and SCRAM."""

    password_file: Filled | None = None
    """A file that holds the password and nothing else; a line end behind it is ignored."""

    password_env: VariableName | None = None
    """The name of an environment variable that holds the password."""

    kerberos_service_name: Filled = "kafka"
    """The first part of the brokers' Kerberos principal."""

    ca_file: Filled | None = None
    """PEM file of the authorities that may sign broker certificates. Without it: those of the system."""

    certificate_file: Filled | None = None
    """PEM file of the client's certificate, for brokers that ask for one."""

    key_file: Filled | None = None
    """PEM file of the client's private key, where it is not in certificate_file."""

    key_password_file: Filled | None = None
    """A file that holds the password of the private key; a line end behind it is ignored."""

    key_password_env: VariableName | None = None
    """The name of an environment variable that holds the password of the private key."""

    check_hostname: bool = True
    """Whether a broker's certificate must name the host it was reached by. False lets anyone with any
    certificate of the same authority pose as the broker."""

    def conflicts(self) -> Iterator[Conflict]:
        """Keys that the protocol or the mechanism leaves without a use, or without a partner."""
        yield from self._login_conflicts()
        yield from self._encryption_conflicts()

    def _login_conflicts(self) -> Iterator[Conflict]:
        uses_sasl = self.protocol.startswith("SASL_")
        if uses_sasl and self.sasl_mechanism is None:
            yield Conflict(("protocol", "sasl_mechanism"), f"protocol {self.protocol} needs sasl_mechanism")
        login = self._given("sasl_mechanism", "username", "password_file", "password_env")
        if login and not uses_sasl:
            yield Conflict(
                ("protocol", *login),
                f"protocol {self.protocol} logs nobody in, so {listed(login)} would not be used;"
                f" set protocol to {'SASL_SSL' if self.protocol == 'SSL' else 'SASL_SSL or SASL_PLAINTEXT'}",
            )
        if self.password_file is not None and self.password_env is not None:
            yield Conflict(("password_file", "password_env"), "has password_file and password_env; keep one")
        if not uses_sasl or self.sasl_mechanism is None:
            return
        if self.sasl_mechanism == "GSSAPI":
            unused = [key for key in login if key != "sasl_mechanism"]
            if unused:
                yield Conflict(
                    ("sasl_mechanism", *unused),
                    f"GSSAPI logs in by the Kerberos ticket of the user; remove {listed(unused)}",
                )
            return
        if self.username is None:
            yield Conflict(
                ("sasl_mechanism", "username"), f"sasl_mechanism {self.sasl_mechanism} needs username"
            )
        if self.password_file is None and self.password_env is None:
            yield Conflict(
                ("sasl_mechanism", "password_file", "password_env"),
                f"sasl_mechanism {self.sasl_mechanism} needs password_file or password_env",
            )

    def _encryption_conflicts(self) -> Iterator[Conflict]:
        encrypts = self.protocol.endswith("SSL")
        keys = self._given("ca_file", "certificate_file", "key_file", "key_password_file", "key_password_env")
        if not self.check_hostname:
            keys.append("check_hostname")
        if keys and not encrypts:
            safer = "SASL_SSL" if self.protocol.startswith("SASL_") else "SSL"
            yield Conflict(
                ("protocol", *keys),
                f"protocol {self.protocol} does not encrypt, so {listed(keys)} would not be used;"
                f" set protocol to {safer}",
            )
        if self.key_password_file is not None and self.key_password_env is not None:
            yield Conflict(
                ("key_password_file", "key_password_env"),
                "has key_password_file and key_password_env; keep one",
            )
        lonely = self._given("key_file", "key_password_file", "key_password_env")
        if lonely and self.certificate_file is None:
            yield Conflict(("certificate_file", *lonely), f"{listed(lonely)} needs certificate_file")

    def _given(self, *keys: str) -> list[str]:
        return [key for key in keys if getattr(self, key) is not None]


def listed(keys: list[str]) -> str:
    """Keys in a sentence: `a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(keys[:-1]), keys[-1]]))


class KafkaConfig(Section):
    """The cluster to read."""

    bootstrap_servers: Annotated[
        tuple[Annotated[str, AfterValidator(_host_and_port)], ...], Field(strict=False, min_length=1)
    ]
    """Brokers to ask first, as host:port. One that answers is enough; name two or three, so that the job
    starts while one is down."""

    isolation: Literal["read_committed", "read_uncommitted"] = "read_committed"
    """read_committed leaves out records of aborted transactions and stops before open ones.
    read_uncommitted loads both, and rows loaded so cannot be told apart later."""

    client_rack: Filled | None = None
    """The rack or zone where this job runs (the brokers' broker.rack). With it, reads go to a follower in
    the same zone where the brokers allow it, which saves traffic between zones."""

    stall_timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 120.0
    """How long a range may make no progress before its task fails, counted from the last progress. Higher
    rides out longer broker restarts; lower finds a dead broker sooner."""

    request_timeout_ms: Annotated[int, Field(ge=1000, le=3_600_000)] = 30_000
    """How long to wait for the answer to one request before it is sent again. Higher suits slow or distant
    brokers; lower finds a hanging one sooner."""

    mirror_group: Filled | None = None
    """A consumer group of the loader's own. After each run the position is committed as its offsets, so that
    tools which watch groups see how far the job is. It is never read back, and a failure is only a warning.
    Needs READ on the group."""

    security: SecurityConfig = Field(default_factory=SecurityConfig)
    """Encryption and login; none by default."""

    def conflicts(self) -> Iterator[Conflict]:
        """A stall found before the first request could be given up."""
        if self.stall_timeout_s * 1000 < self.request_timeout_ms:
            yield Conflict(
                ("stall_timeout_s", "request_timeout_ms"),
                f"stall_timeout_s ({self.stall_timeout_s:g}) must be at least request_timeout_ms"
                f" ({self.request_timeout_ms}), or one lost request fails the task",
            )
