"""The table [registry]: what it takes, what it refuses, and where its secrets come from."""

import pickle
import re
from pathlib import Path

import pytest

from loader.config.formats import (
    AvroFormat,
    JsonFormat,
    ProtobufFormat,
    RawFormat,
    StringFormat,
    needs_registry,
    struct_of,
)
from loader.config.job import JobConfig
from loader.config.kafka import SecurityConfig
from loader.config.load import load_config
from loader.config.registry import RegistryConfig
from loader.config.secrets import RegistrySecrets, Secrets, resolve_secrets
from loader.errors import ConfigError
from loader.registry.settings import registry_settings

JOB = """
[job]
name = "j"
destination = "file:///data"
[kafka]
bootstrap_servers = ["k:9092"]
"""
RAW = '[[topics]]\nname = "orders"\n'
AVRO = '[[topics]]\nname = "orders"\nvalue = { format = "avro" }\n'


def load(folder: Path, text: str) -> JobConfig:
    path = folder / "job.toml"
    path.write_text(JOB + text)
    return load_config(path)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load(folder, text)
    return list(refused.value.problems)


def no_file(name: str) -> bytes:
    raise FileNotFoundError(2, "No such file or directory", name)


@pytest.mark.parametrize(
    ("written", "urls"),
    [
        ('"http://r:8081"', ("http://r:8081",)),
        ('"https://r/apis/ccompat/v7/"', ("https://r/apis/ccompat/v7",)),
        ('["http://a:1", "http://[::1]:2"]', ("http://a:1", "http://[::1]:2")),
    ],
)
def test_one_url_or_a_list_of_replicas(tmp_path: Path, written: str, urls: tuple[str, ...]) -> None:
    registry = load(tmp_path, f"{AVRO}[registry]\nurl = {written}").registry

    assert registry is not None
    assert registry.url == urls


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ('"r:8081"', "'r:8081' must begin with http:// or https://"),
        ('"http://"', "'http://' names no host; write http://host:port"),
        ('"http://r:0"', "'http://r:0' names no host; write http://host:port"),
        ('"http://r:x"', "is no URL; write http://host:port or https://host:port, with a path if any"),
        (
            '"http://r?a=b"',
            "'http://r?a=b' must be scheme, host, port and path only, without '?', '#' or spaces",
        ),
        ("[]", "must not be empty"),
        ("8081", "must be a list, found the integer 8081"),
    ],
)
def test_a_url_leaves_nothing_to_guess(tmp_path: Path, url: str, problem: str) -> None:
    assert problems(tmp_path, f"{AVRO}[registry]\nurl = {url}") == [f"registry.url: {problem}"]


def test_a_login_in_the_url_is_refused_and_not_repeated(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, f'{AVRO}[registry]\nurl = "http://ann:hunter2@r"')

    assert problem.startswith("registry.url: must not hold a login; use username")
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ('username = "u"', "username needs password_file or password_env"),
        ('password_env = "P"', "password_env needs username"),
        (
            'username = "u"\npassword_env = "P"\npassword_file = "f"',
            "has password_file and password_env; keep one",
        ),
        ('token_env = "P"\ntoken_file = "f"', "has token_file and token_env; keep one"),
        (
            'username = "u"\npassword_env = "P"\ntoken_env = "T"',
            "has username, password_env and token_env: log in by a password or by a token, not by both",
        ),
        ('key_file = "k"', "key_file needs certificate_file"),
        (
            'certificate_file = "c"\nkey_password_file = "f"\nkey_password_env = "E"',
            "has key_password_file and key_password_env; keep one",
        ),
    ],
)
def test_keys_without_a_use_or_a_partner_are_refused(tmp_path: Path, keys: str, problem: str) -> None:
    assert problems(tmp_path, f'{AVRO}[registry]\nurl = "https://r"\n{keys}') == [f"registry: {problem}"]


def test_plain_http_uses_no_certificates(tmp_path: Path) -> None:
    assert problems(tmp_path, f'{AVRO}[registry]\nurl = "http://r"\nca_file = "ca.pem"') == [
        "registry: url is not https, so ca_file would not be used"
    ]


@pytest.mark.parametrize("key", ["password", "token", "key_password"])
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, key: str) -> None:
    assert problems(tmp_path, f'{AVRO}[registry]\nurl = "https://r"\n{key} = "hunter2"') == [
        f"registry.{key}: a secret does not belong in this file;"
        f" use {key}_file or {key}_env, which say where to find it"
    ]


@pytest.mark.parametrize("value", ['"hunter2!"', "12345"])
def test_a_token_in_place_of_a_variable_is_not_repeated(tmp_path: Path, value: str) -> None:
    [problem] = problems(tmp_path, f'{AVRO}[registry]\nurl = "https://r"\ntoken_env = {value}')

    assert problem.startswith("registry.token_env: must be ")
    assert value.strip('"') not in problem


def test_formats_that_read_by_ids_need_a_registry(tmp_path: Path) -> None:
    text = RAW + '[[topics]]\npattern = "x.*"\nvalue = { format = "avro" }\nkey = { format = "protobuf" }\n'

    assert problems(tmp_path, text) == [
        "topics[x.*].value: format avro without schema_file needs a schema registry;"
        " add [registry] with its url",
        "topics[x.*].key: format protobuf without descriptor_file needs a schema registry;"
        " add [registry] with its url",
    ]
    load(tmp_path, text + '[registry]\nurl = "http://r"')


def test_formats_that_read_by_files_or_no_schema_need_none(tmp_path: Path) -> None:
    text = """
        [[topics]]
        name = "a"
        value = { format = "avro", schema_file = "a.avsc" }
        key = { format = "protobuf", descriptor_file = "a.desc", message = "a.A" }
        [[topics]]
        name = "b"
        value = { format = "json", columns = { a = "long" } }
        key = { format = "string" }
    """

    assert load(tmp_path, text).registry is None


def test_what_needs_a_registry_is_every_format_of_ids() -> None:
    without = [
        RawFormat(format="raw"),
        StringFormat(format="string"),
        JsonFormat(format="json", columns={"a": "long"}),
        AvroFormat(format="avro", schema_file="f"),
        ProtobufFormat(format="protobuf", descriptor_file="f", message="m"),
    ]

    assert not any(map(needs_registry, without))
    assert needs_registry(AvroFormat(format="avro", subject="s"))
    assert needs_registry(ProtobufFormat(format="protobuf"))


def test_columns_become_a_struct_in_their_order_and_tables_within_structs_of_it() -> None:
    columns = {"n": "long", "buyer": {"name": "string", "tags": "list<string>"}, "odd name": "timestamp(ms)"}

    assert str(struct_of(columns)) == (
        "struct<n: long, buyer: struct<name: string, tags: list<string>>, `odd name`: timestamp(ms)>"
    )


def a_registry(**keys: str) -> RegistryConfig:
    return RegistryConfig.model_validate({"url": "https://r", **keys})


def test_its_secrets_come_from_where_the_config_points() -> None:
    basic = a_registry(username="u", password_env="P", certificate_file="c", key_password_file="k")  # noqa: S106 - names

    found = resolve_secrets(SecurityConfig(), {"P": "one"}, {"k": b"two\n"}.__getitem__, basic).registry
    bearer = resolve_secrets(SecurityConfig(), {"T": "three"}, no_file, a_registry(token_env="T")).registry  # noqa: S106

    first, second = registry_settings(basic, found), registry_settings(a_registry(), bearer)
    assert (first.username, first.password, first.key_password, first.token) == ("u", "one", "two", None)
    assert (second.username, second.password, second.token) == (None, None, "three")


def test_secrets_of_kafka_and_the_registry_that_are_missing_are_named_at_once() -> None:
    security = SecurityConfig.model_validate(
        {"protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "username": "u", "password_env": "K"}
    )

    with pytest.raises(ConfigError) as refused:
        resolve_secrets(security, {}, no_file, a_registry(token_file="/run/token"))  # noqa: S106 - a path

    assert refused.value.problems == (
        "kafka.security.password_env: environment variable K is not set",
        "registry.token_file: file /run/token cannot be read: No such file or directory",
    )


def test_a_job_without_a_registry_has_no_secrets_of_one() -> None:
    assert resolve_secrets(SecurityConfig(), {}, no_file) == Secrets(registry=RegistrySecrets())


def test_no_secret_shows_in_settings_that_travel_to_tasks() -> None:
    config = a_registry(username="u", password_env="P", certificate_file="c", key_password_env="K")  # noqa: S106
    secrets = resolve_secrets(SecurityConfig(), {"P": "hunter2", "K": "hunter3"}, no_file, config)

    settings = pickle.loads(pickle.dumps(registry_settings(config, secrets.registry)))  # noqa: S301 - made here

    assert (settings.password, settings.key_password) == ("hunter2", "hunter3")
    assert "hunter" not in f"{settings} {settings!r} {secrets} {secrets!r}"


def test_the_example_shows_every_way_to_reach_a_registry(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "conf" / "schema-registry.toml").read_text()
    shown = set(re.findall(r"(?m)^(?:# )?(\w+) = ", text.split("[registry]")[1].split("[[topics]]")[0]))
    uncommented = re.sub(
        r"(?m)^# (?=(certificate_file|key_file|request_timeout_ms|give_up_after_s) = )", "", text
    )
    (tmp_path / "job.toml").write_text(uncommented)

    config = load_config(tmp_path / "job.toml")

    assert set(RegistryConfig.model_fields) - shown == {"token_file", "key_password_file", "key_password_env"}
    assert config.registry is not None
    assert (config.registry.request_timeout_ms, config.registry.give_up_after_s) == (10_000, 30)
    assert [entry.value.format for entry in config.topics] == ["avro", "protobuf", "avro"]
