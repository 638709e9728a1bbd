"""One question to the registry: logins, TLS, replicas in turn, asking again, and what an answer means.

An answer of the registry's own trouble (5xx, 429) and no answer at all are asked again, until a limit that
counts from the question. What no repetition would change is raised at once.
"""

import itertools
import json
import random
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from loader.errors import AccessDenied, ConfigError, RegistryUnavailable
from loader.registry.settings import RegistrySettings

if TYPE_CHECKING:
    import httpx

MAX_ANSWER_BYTES = 64 * 1024 * 1024
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 4.0
_ACCEPT = "application/vnd.schemaregistry.v1+json, application/json"


@dataclass(frozen=True, slots=True)
class NotFound:
    """The registry's answer that there is no such subject, version or id."""

    text: str


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why a question is asked again, and how long the registry wants to be left alone before."""

    text: str
    pause_s: float = 0.0


class RegistryTransport:
    """Asks the registry's replicas; any thread may use it. Once it has given up, it fails at once."""

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._client = _open_client(settings)
        self._first = 0
        self._gave_up: str | None = None
        self._turn = threading.Lock()

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """The JSON that the registry answers to GET, or NotFound.

        Raises RegistryUnavailable, AccessDenied, or ConfigError where what answers is no schema registry.
        """
        if self._gave_up is not None:
            raise RegistryUnavailable(self._gave_up)
        give_up_s = time.monotonic() + self._settings.give_up_after_s
        troubles: dict[str, str] = {}
        urls, first, pause_s = self._settings.urls, self._first, _FIRST_PAUSE_S
        for turn in itertools.count():
            index = (first + turn) % len(urls)
            outcome = self._ask(urls[index], path, query or {}, give_up_s)
            if not isinstance(outcome, _Trouble):
                self._first = index  # the next question begins where somebody answers
                return outcome
            troubles[urls[index]] = outcome.text
            if (turn + 1) % len(urls):
                continue
            # Tasks start together, and would ask again together.
            wait_s = max(pause_s * random.uniform(0.75, 1.25), outcome.pause_s)  # noqa: S311 - no secret
            if time.monotonic() + wait_s >= give_up_s:
                raise self._giving_up(troubles, turn + 1)
            time.sleep(wait_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        raise AssertionError("an endless loop ended")

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def _ask(self, url: str, path: str, query: Mapping[str, str], give_up_s: float) -> Any:
        import httpx

        left_s = max(give_up_s - time.monotonic(), 0.1)
        timeout_s = min(self._settings.request_timeout_ms / 1000, left_s)
        try:
            with self._client.stream("GET", url + path, params=query or None, timeout=timeout_s) as response:
                body = _read(response, time.monotonic() + timeout_s, url)
        except (httpx.TimeoutException, TimeoutError):
            return _Trouble(f"no answer within {timeout_s:g} s")
        except httpx.TransportError as error:
            if (problem := _tls_problem(error)) is not None:
                raise AccessDenied(
                    f"{url}: no TLS connection to the schema registry: {problem}. Nothing was committed."
                    " Correct registry.url, registry.ca_file, or registry.certificate_file and key_file."
                ) from None
            return _Trouble(str(error) or type(error).__name__)
        except httpx.DecodingError as error:
            raise _no_registry(url, path, f"bytes that cannot be unpacked ({error})") from None
        return self._judge(url, path, response, body)

    def _judge(self, url: str, path: str, response: "httpx.Response", body: bytes) -> Any:
        status = response.status_code
        said = f"{status} {response.reason_phrase}".strip()
        document = _json_of(body)
        words = document.get("message") if isinstance(document, dict) else None
        if status in (401, 403):
            raise self._refused(url, f"{said}: {words}" if words else said)
        if status in (408, 429) or status >= 500:
            return _Trouble(f"{said}: {words}" if words else said, _retry_after_s(response))
        if status == 404 and isinstance(document, dict) and _says_what_is_missing(document):
            return NotFound(str(words))
        if status != 200:
            where = response.headers.get("location")
            raise _no_registry(url, path, f"{said}, to {where}" if where else said)
        if document is None:
            kind = response.headers.get("content-type", "no content type")
            raise _no_registry(url, path, f"no JSON but {kind}, {body[:60]!r}")
        return document

    def _refused(self, url: str, said: str) -> AccessDenied:
        settings = self._settings
        if settings.token is not None:
            login, fix = "the bearer token", "Correct registry.token_file or token_env, or what it may read"
        elif settings.username is not None:
            login, fix = f"user {settings.username}", "Correct registry.username, its password or its rights"
        else:
            login, fix = "nobody's login", "Set registry.username and a password, or a token"
        return AccessDenied(
            f"{url}: the schema registry refuses {login} ({said}). Nothing of the topics that need it was"
            f" committed. {fix}."
        )

    def _giving_up(self, troubles: Mapping[str, str], turns: int) -> RegistryUnavailable:
        each = "; ".join(f"{url}: {trouble}" for url, trouble in troubles.items())
        text = (
            f"the schema registry does not answer ({each}), asked {turns} times within"
            f" {self._settings.give_up_after_s:g} s. Nothing of the topics that need it was committed; what"
            " is in Kafka is safe. Run again when it answers."
        )
        with self._turn:
            self._gave_up = text
        return RegistryUnavailable(text)


def _open_client(settings: RegistrySettings) -> "httpx.Client":
    try:
        import httpx
    except ImportError:
        raise ConfigError(
            [
                "the schema registry is asked by httpx, which is not installed:"
                " pip install 'kafka-hadoop-loader[formats]'"
            ]
        ) from None
    headers = {"Accept": _ACCEPT, "User-Agent": "kafka-hadoop-loader"}
    auth = None
    if settings.token is not None:
        # Refused here because h11 would repeat the token where it refuses it.
        if not settings.token.isascii() or not settings.token.isprintable() or " " in settings.token:
            raise ConfigError(["registry: the token has spaces or signs that no HTTP header can carry"])
        headers["Authorization"] = f"Bearer {settings.token}"
    elif settings.username is not None:
        auth = httpx.BasicAuth(settings.username, settings.password or "")
    return httpx.Client(headers=headers, auth=auth, verify=_tls(settings), follow_redirects=False)


def _tls(settings: RegistrySettings) -> ssl.SSLContext:
    if not any(url.startswith("https:") for url in settings.urls):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, quicker than reading the system's
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise ConfigError([f"registry.ca_file: {_file_problem(settings.ca_file, error)}"]) from None
    if settings.certificate_file is not None:
        try:
            # Without any password OpenSSL would ask for one on the terminal, and wait.
            context.load_cert_chain(settings.certificate_file, settings.key_file, settings.key_password or "")
        except OSError as error:
            files = " with ".join(filter(None, [settings.certificate_file, settings.key_file]))
            raise ConfigError([f"registry.certificate_file: {_file_problem(files, error)}"]) from None
    return context


def _file_problem(name: str | None, error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"{name} cannot be used: {error.reason or 'no PEM file, or a wrong password of its key'}"
    return f"{name} cannot be read: {error.strerror or type(error).__name__}"


def _tls_problem(error: BaseException | None) -> str | None:
    """What TLS refused, where that is why; a connection that only ended is none."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({error.verify_message})"
        if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
            return None
        if isinstance(error, ssl.SSLError) and error.reason:
            return error.reason.replace("_", " ").lower()
        error = error.__cause__ or error.__context__
    return None


def _read(response: "httpx.Response", until_s: float, url: str) -> bytes:
    # A server that sends one byte at a time never meets the timeout of a single read.
    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise _no_registry(url, "", f"more than {MAX_ANSWER_BYTES} bytes")
        if time.monotonic() > until_s:
            raise TimeoutError
    return b"".join(parts)


def _json_of(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _says_what_is_missing(document: Mapping[str, Any]) -> bool:
    # 40401 subject, 40402 version, 40403 schema. Any server says 404 of a path that it does not have.
    code = document.get("error_code")
    return isinstance(code, int) and code // 100 == 404


def _retry_after_s(response: "httpx.Response") -> float:
    try:
        return max(0.0, float(response.headers.get("retry-after", "0")))
    except ValueError:  # a date: our own pauses do
        return 0.0


def _no_registry(url: str, path: str, answer: str) -> ConfigError:
    return ConfigError(
        [
            f"registry.url: {url} answers GET {path} by {answer}: is that the URL of an API like Confluent's?"
            " Apicurio's ends in /apis/ccompat/v7"
        ]
    )
