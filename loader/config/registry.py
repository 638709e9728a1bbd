"""Where the schemas of values and keys are registered, and as whom to ask."""

from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from loader.config.kafka import Filled, VariableName, listed
from loader.config.section import Conflict, Section


def _registry_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # What stands there is not repeated: it may hold a password.
        raise ValueError(
            "is no URL; write http://host:port or https://host:port, with a path if any"
        ) from None
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "must not hold a login; use username and password_file or password_env, token_file or token_env"
        )
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"{url!r} must begin with http:// or https://")
    if not parts.hostname or port == 0:
        raise ValueError(f"{url!r} names no host; write {parts.scheme}://host:port")
    if parts.query or parts.fragment or any(sign.isspace() for sign in url):
        raise ValueError(f"{url!r} must be scheme, host, port and path only, without '?', '#' or spaces")
    return url.rstrip("/")


def _one_or_several(urls: Any) -> Any:
    return (urls,) if isinstance(urls, str) else urls


_URLS_SCHEMA = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
    ]
}

Urls = Annotated[
    tuple[Annotated[str, AfterValidator(_registry_url)], ...],
    Field(strict=False, min_length=1),
    BeforeValidator(_one_or_several),
    WithJsonSchema(_URLS_SCHEMA),
]


class RegistryConfig(Section):
    """The schema registry, for values and keys that name their schema by an id.

    It must speak Confluent's API, as those of Confluent, Apicurio, Karapace and Redpanda do. File names are
    taken from the working directory when they are relative. Proxies of the environment (HTTPS_PROXY,
    NO_PROXY) are used.
    """

    url: Urls
    """Where its API begins: http://registry:8081, for Apicurio http://host:8080/apis/ccompat/v7. A list
    of several names replicas of one registry: they are asked in turn until one answers."""

    username: Filled | None = None
    """The user to log in as, by HTTP basic authentication; for Confluent Cloud an API key."""

    password_file: Filled | None = None
    """A file that holds the password and nothing else; a line end behind it is ignored."""

    password_env: VariableName | None = None
    """The name of an environment variable that holds the password."""

    token_file: Filled | None = None
    """A file that holds a bearer token and nothing else; a line end behind it is ignored. It is read once,
    when a command starts."""

    token_env: VariableName | None = None
    """The name of an environment variable that holds a bearer token."""

    ca_file: Filled | None = None
    """PEM file of the authorities that may sign the registry's certificate. Without it: those of the
    system. Every executor needs it at the same place."""

    certificate_file: Filled | None = None
    """PEM file of the client's certificate, for registries that ask for one. Every executor needs it at
    the same place, too."""

    key_file: Filled | None = None
    """PEM file of the client's private key, where it is not in certificate_file."""

    key_password_file: Filled | None = None
    """A file that holds the password of the private key; a line end behind it is ignored."""

    key_password_env: VariableName | None = None
    """The name of an environment variable that holds the password of the private key."""

    request_timeout_ms: Annotated[int, Field(ge=100, le=600_000)] = 10_000
    """How long to wait for the answer to one request before it is sent again, to the next url if there are
    several."""

    give_up_after_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """How long to ask again where nothing answers, or only by errors of the registry's own. After that the
    run ends with status 3 for the topics that need it. Higher rides out longer restarts of the registry."""

    def conflicts(self) -> Iterator[Conflict]:
        """Two ways to log in, half of one, and keys that plain http leaves without a use."""
        passwords = self._given("password_file", "password_env")
        tokens = self._given("token_file", "token_env")
        for pair in (passwords, tokens, self._given("key_password_file", "key_password_env")):
            if len(pair) == 2:
                yield Conflict(tuple(pair), f"has {listed(pair)}; keep one")
        if self.username is not None and not passwords:
            yield Conflict(
                ("username", "password_file", "password_env"), "username needs password_file or password_env"
            )
        if passwords and self.username is None:
            yield Conflict(("username", *passwords), f"{listed(passwords)} needs username")
        if tokens and (self.username is not None or passwords):
            basic = [*self._given("username"), *passwords]
            yield Conflict(
                (*basic, *tokens),
                f"has {listed([*basic, *tokens])}: log in by a password or by a token, not by both",
            )
        yield from self._encryption_conflicts()

    def _encryption_conflicts(self) -> Iterator[Conflict]:
        keys = self._given("ca_file", "certificate_file", "key_file", "key_password_file", "key_password_env")
        if keys and not any(url.startswith("https:") for url in self.url):
            yield Conflict(("url", *keys), f"url is not https, so {listed(keys)} would not be used")
        lonely = self._given("key_file", "key_password_file", "key_password_env")
        if lonely and self.certificate_file is None:
            yield Conflict(("certificate_file", *lonely), f"{listed(lonely)} needs certificate_file")

    def _given(self, *keys: str) -> list[str]:
        return [key for key in keys if getattr(self, key) is not None]
