"""Logins, TLS, replicas and failures, against a server that answers as it is told."""

import base64
import json
import pickle
import ssl
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from loader.errors import AccessDenied, ConfigError, LoaderError, RegistryUnavailable
from loader.registry.client import RegistryClient
from loader.registry.settings import RegistrySettings
from loader.registry.source import RegistrySource
from loader.values.schemas import RegisteredSchema
from local_services.ports import choose_ports

from .scripted import Answer, missing, scripted

BRIEF = {"request_timeout_ms": 300, "give_up_after_s": 0.6}
STRING = RegisteredSchema(1, "AVRO", '"string"')


def settings(*urls: str, **more: Any) -> RegistrySettings:
    return RegistrySettings(urls=urls, **more)


def ask(*urls: str, **more: Any) -> RegisteredSchema | None:
    with RegistryClient(settings(*urls, **more)) as client:
        return client.schema(1)


def error_of(*urls: str, **more: Any) -> LoaderError:
    with pytest.raises(LoaderError) as failed:
        ask(*urls, **more)
    return failed.value


# Logins


def test_a_password_is_sent_as_basic_authentication() -> None:
    with scripted() as registry:
        assert ask(registry.url, username="ann", password="ключ: s3cret") == STRING  # noqa: S106

    expected = base64.b64encode("ann:ключ: s3cret".encode()).decode()
    assert registry.logins == [f"Basic {expected}"]


def test_a_token_is_sent_as_bearer() -> None:
    with scripted() as registry:
        assert ask(registry.url, token="abc.def") == STRING  # noqa: S106

    assert registry.logins == ["Bearer abc.def"]


def test_without_a_login_none_is_sent() -> None:
    with scripted() as registry:
        assert ask(registry.url) == STRING

    assert registry.logins == [None]


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("login", "words"),
    [
        ({"username": "ann", "password": "hunter2"}, "refuses user ann"),
        ({"token": "hunter2"}, "refuses the bearer token"),
        ({}, "refuses nobody's login"),
    ],
)
def test_a_refused_login_is_told_at_once_and_not_asked_again(
    status: int, login: dict[str, str], words: str
) -> None:
    with scripted(Answer(status, b'{"error_code": 40101, "message": "who are you"}')) as registry:
        error = error_of(registry.url, **login)

    assert isinstance(error, AccessDenied)
    assert error.exit_status == 2
    assert len(registry.paths) == 1
    for part in (registry.url, words, f"({status} ", "who are you", "registry."):
        assert part in str(error)
    assert "hunter2" not in str(error)


def test_a_token_that_no_header_can_carry_is_refused_and_not_repeated() -> None:
    with scripted() as registry:
        error = error_of(registry.url, token="hunter2\nHost: x")  # noqa: S106

    assert isinstance(error, ConfigError)
    assert "hunter2" not in str(error)
    assert registry.paths == []


# TLS


@dataclass(frozen=True)
class Certificates:
    """An authority, what it signed, and another authority that signed nothing here."""

    folder: Path
    server: ssl.SSLContext
    asking: ssl.SSLContext

    def file(self, name: str) -> str:
        return str(self.folder / name)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(folder / "stranger.pem"))
    client = authority.issue_cert("client@example.org")
    client.private_key_and_cert_chain_pem.write_to_path(str(folder / "client.pem"))
    client.private_key_pem.write_to_path(str(folder / "client.key"))
    client.cert_chain_pems[0].write_to_path(str(folder / "client.crt"))
    contexts = []
    for verify in (ssl.CERT_NONE, ssl.CERT_REQUIRED):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        authority.configure_trust(context)
        context.verify_mode = verify
        contexts.append(context)
    return Certificates(folder, *contexts)


def test_a_certificate_of_an_own_authority_is_trusted_by_its_file(certificates: Certificates) -> None:
    with scripted(tls=certificates.server) as registry:
        assert ask(registry.url, ca_file=certificates.file("ca.pem")) == STRING


@pytest.mark.parametrize("ca_file", [None, "stranger.pem"])
def test_a_certificate_of_an_unknown_authority_is_refused(
    certificates: Certificates, ca_file: str | None
) -> None:
    with scripted(tls=certificates.server) as registry:
        error = error_of(registry.url, ca_file=ca_file and certificates.file(ca_file))

    assert isinstance(error, AccessDenied)
    assert registry.paths == []
    for part in (registry.url, "its certificate is not trusted", "registry.ca_file"):
        assert part in str(error)


def test_a_certificate_of_another_host_is_refused(certificates: Certificates) -> None:
    with scripted(tls=certificates.server) as registry:
        url = registry.url.replace("127.0.0.1", "localhost")
        error = error_of(url, ca_file=certificates.file("ca.pem"))

    assert isinstance(error, AccessDenied)
    assert "localhost" in str(error)
    assert registry.paths == []


@pytest.mark.parametrize("files", [("client.pem", None), ("client.crt", "client.key")])
def test_a_client_shows_its_certificate(certificates: Certificates, files: tuple[str, str | None]) -> None:
    certificate, key = files
    with scripted(tls=certificates.asking) as registry:
        schema = ask(
            registry.url,
            ca_file=certificates.file("ca.pem"),
            certificate_file=certificates.file(certificate),
            key_file=key and certificates.file(key),
        )

    assert schema == STRING


def test_a_client_without_the_certificate_that_is_asked_for_is_told(certificates: Certificates) -> None:
    with scripted(tls=certificates.asking) as registry:
        error = error_of(registry.url, ca_file=certificates.file("ca.pem"))

    assert isinstance(error, AccessDenied)
    assert registry.paths == []
    for part in ("certificate required", "registry.certificate_file"):
        assert part in str(error)


def test_tls_to_a_server_without_it_is_told(certificates: Certificates) -> None:
    with scripted() as registry:
        error = error_of(registry.url.replace("http:", "https:"), ca_file=certificates.file("ca.pem"))

    assert isinstance(error, AccessDenied)
    assert "no TLS connection" in str(error)


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"ca_file": "none.pem"}, r"registry\.ca_file: .*none\.pem cannot be read: No such file"),
        ({"ca_file": "client.key"}, r"registry\.ca_file: .*client\.key cannot be used: "),
        ({"certificate_file": "none.pem"}, r"registry\.certificate_file: .*none\.pem cannot be read"),
        ({"certificate_file": "client.crt"}, r"registry\.certificate_file: .*client\.crt cannot be used: "),
    ],
)
def test_files_that_are_no_certificates_are_named(
    certificates: Certificates, files: dict[str, str], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        ask("https://127.0.0.1:1", **{key: certificates.file(name) for key, name in files.items()})


# Replicas, and asking again


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_trouble_of_the_registrys_own_is_asked_again(status: int) -> None:
    with scripted(Answer(status, b"<html>busy</html>"), Answer()) as registry:
        assert ask(registry.url) == STRING

    assert registry.paths == ["/schemas/ids/1"] * 2


def test_a_replica_that_is_gone_or_sick_is_passed_over_and_the_next_question_begins_behind_it() -> None:
    gone = f"http://127.0.0.1:{choose_ports(1)[0]}"
    with (
        scripted(Answer(503, b"")) as sick,
        scripted() as well,
        RegistryClient(settings(gone, sick.url, well.url)) as client,
    ):
        assert client.schema(1) == STRING
        assert client.schema(2) == RegisteredSchema(2, "AVRO", '"string"')

    assert sick.paths == ["/schemas/ids/1"]
    assert well.paths == ["/schemas/ids/1", "/schemas/ids/2"]


def test_a_refused_login_is_not_taken_to_the_next_replica() -> None:
    with scripted(Answer(401, b"")) as first, scripted() as second:
        error = error_of(first.url, second.url)

    assert isinstance(error, AccessDenied)
    assert second.paths == []


def test_a_registry_that_is_down_says_so_with_its_url_and_what_is_safe() -> None:
    gone = f"http://127.0.0.1:{choose_ports(1)[0]}"

    error = error_of(gone, **BRIEF)

    assert isinstance(error, RegistryUnavailable)
    assert error.exit_status == 3
    for part in (gone, "Connection refused", "what is in Kafka is safe", "Run again"):
        assert part in str(error)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(500, b'{"error_code": 50001, "message": "store is down"}'), "500 .*: store is down"),
        (Answer(429, b"", {"Retry-After": "3600"}), "429 Too Many Requests"),
        (Answer(byte_s=10), "no answer within"),
        (Answer(byte_s=0.1), "no answer within"),
    ],
    ids=["500", "429", "silent", "slow"],
)
def test_trouble_that_does_not_end_is_given_up_at_the_limit(answer: Answer, words: str) -> None:
    with (
        scripted(answer) as registry,
        pytest.raises(RegistryUnavailable, match=f"{registry.url}: {words}"),
    ):
        ask(registry.url, **BRIEF)


def test_what_was_given_up_is_not_waited_for_again() -> None:
    with (
        scripted(Answer(503, b"")) as registry,
        RegistryClient(settings(registry.url, **BRIEF)) as client,
    ):
        with pytest.raises(RegistryUnavailable) as first:
            client.schema(1)
        asked = len(registry.paths)
        with pytest.raises(RegistryUnavailable) as second:
            client.versions("orders-value")

    assert len(registry.paths) == asked > 1
    assert str(second.value) == str(first.value)


# What is no schema registry


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(200, b"<html>welcome</html>", {"Content-Type": "text/html"}), "no JSON but text/html"),
        (Answer(200, b""), "no JSON"),
        (Answer(200, b"\xff\xfe"), "no JSON"),
        (Answer(200, b"[" * 100_000), "no JSON"),
        (Answer(200, b"[]"), "without schema"),
        (Answer(200, b'{"schema": 5}'), "without schema"),
        (Answer(200, b'{"schema": "\\"int\\"", "references": [{"name": "a"}]}'), "without subject"),
        (Answer(200, b"no gzip" * 9, {"Content-Encoding": "gzip"}), "bytes that cannot be unpacked"),
        (Answer(404, b"<html>none</html>"), "404 Not Found"),
        (Answer(404, b'{"status": 404, "name": "NotFoundException"}'), "404 Not Found"),
        (Answer(302, b"", {"Location": "https://login.example.com"}), "to https://login.example.com"),
        (Answer(400, b"{}"), "400 Bad Request"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_what_is_no_schema_registry_is_a_mistake_in_the_url(answer: Answer, words: str) -> None:
    with scripted(answer) as registry:
        error = error_of(registry.url)

    assert isinstance(error, ConfigError)
    assert len(registry.paths) == 1
    for part in (words, "registry.url", "is that the URL of an API like Confluent's?"):
        assert part in str(error)


@pytest.mark.parametrize(
    ("question", "body"),
    [
        (lambda client: client.versions("s"), b"{}"),
        (lambda client: client.versions("s"), b'["1"]'),
        (lambda client: client.version("s"), b'{"schema": "\\"int\\""}'),
        (lambda client: client.places(1), b'[{"subject": "s"}]'),
    ],
    ids=["no-list", "no-numbers", "no-id", "no-version"],
)
def test_answers_of_another_shape_are_no_schema_registrys(question: Any, body: bytes) -> None:
    with (
        scripted(Answer(body=body)) as registry,
        RegistryClient(settings(registry.url)) as client,
        pytest.raises(ConfigError, match="is that the URL of an API like Confluent's"),
    ):
        question(client)


def test_an_answer_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loader.registry.transport.MAX_ANSWER_BYTES", 1000)
    with scripted(Answer(body=b" " * 1001)) as registry:
        assert "more than 1000 bytes" in str(error_of(registry.url))


def test_without_httpx_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)

    with pytest.raises(ConfigError, match=r"pip install 'kafka-hadoop-loader\[formats\]'"):
        RegistryClient(settings("http://127.0.0.1:1"))


# What a task asks


def test_an_id_is_asked_for_once_by_all_threads_of_a_task_also_where_there_is_none() -> None:
    def answer(path: str) -> Answer:
        return Answer() if path.endswith("/7") else missing(40403)

    found: list[RegisteredSchema | None] = []
    with scripted(answer) as registry, RegistrySource(settings(registry.url)) as schemas:
        start = threading.Barrier(8)

        def work() -> None:
            start.wait()
            found.extend(schemas.schema(schema_id) for schema_id in (7, 8) * 3)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(registry.paths) == ["/schemas/ids/7", "/schemas/ids/8"]
    assert found.count(RegisteredSchema(7, "AVRO", '"string"')) == found.count(None) == 24


def test_what_is_no_id_is_not_asked_for() -> None:
    with scripted() as registry, RegistrySource(settings(registry.url)) as schemas:
        assert schemas.schema(0) is None
        assert schemas.schema(-5) is None

    assert registry.paths == []


def test_a_source_travels_to_a_task_with_its_login() -> None:
    with scripted() as registry:
        there = RegistrySource(settings(registry.url, token="hunter2"))  # noqa: S106
        assert there.schema(1) == STRING  # its connection and lock do not travel

        with pickle.loads(pickle.dumps(there)) as here:  # noqa: S301 - made in this line
            assert here.schema(1) == STRING

        assert "hunter2" not in f"{there} {there!r}"
        assert registry.paths == ["/schemas/ids/1"] * 2
        assert registry.logins == ["Bearer hunter2"] * 2


def test_a_registry_that_is_down_is_no_unknown_id() -> None:
    with (
        scripted(Answer(503, b"")) as registry,
        RegistrySource(settings(registry.url, **BRIEF)) as schemas,
        pytest.raises(RegistryUnavailable),
    ):
        schemas.schema(7)


def test_a_source_that_was_closed_asks_anew_and_only_for_what_it_does_not_know() -> None:
    def answer(path: str) -> Answer:
        return Answer() if path.endswith("/7") else missing(40403)

    with scripted(answer) as registry, RegistrySource(settings(registry.url)) as schemas:
        schemas.close()
        found = [schemas.schema(7)]
        schemas.close()
        schemas.close()
        found += [schemas.schema(7), schemas.schema(8)]

    assert found == [RegisteredSchema(7, "AVRO", '"string"')] * 2 + [None]
    assert registry.paths == ["/schemas/ids/7", "/schemas/ids/8"]


def test_ids_of_a_context_are_asked_for_with_a_subject_of_it() -> None:
    with scripted() as registry, RegistryClient(settings(registry.url)) as client:
        assert client.schema(1, ":.test:orders-value") == STRING

    assert registry.paths == ["/schemas/ids/1?subject=%3A.test%3Aorders-value"]


def test_a_subjects_name_is_one_part_of_the_path() -> None:
    with scripted(Answer(body=b"[2, 1]")) as registry, RegistryClient(settings(registry.url)) as client:
        assert client.versions("a/b?c #ü") == (1, 2)

    assert registry.paths == ["/subjects/a%2Fb%3Fc%20%23%C3%BC/versions"]


def test_schemas_that_refer_to_one_another_in_a_ring_end() -> None:
    def answer(path: str) -> Answer:
        subject = path.split("/")[2]
        other = {"a": "b", "b": "a"}.get(subject, "a")
        reference = {"name": f"{other}.proto", "subject": other, "version": 1}
        return Answer(body=json.dumps({"id": 1, "schema": subject, "references": [reference]}).encode())

    with scripted(answer) as registry, RegistryClient(settings(registry.url)) as client:
        schema = client.version("main", 1)

    assert schema is not None
    assert [reference.name for reference in schema.references] == ["b.proto", "a.proto"]
