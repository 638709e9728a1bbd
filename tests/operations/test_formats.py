"""From the job file to how topics are decoded: files, the registry, and who fails without them."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from loader.config.job import JobConfig
from loader.config.secrets import Secrets
from loader.errors import AccessDenied, ConfigError, RegistryUnavailable, UnusableSchema
from loader.formats.arrow_types import to_arrow
from loader.formats.avro.spec import AvroSpec
from loader.formats.json.spec import JsonSpec
from loader.formats.string import StringSpec
from loader.formats.topic_format import TopicFormat
from loader.operations.formats import ASKED_AT_ONCE, ResolvedFormats, resolve_formats
from loader.operations.job import open_job
from loader.registry.protoc import compile_schema
from loader.values.column_types import parse_type
from loader.values.schemas import RegisteredSchema, SchemaReference
from local_services.registry import SchemaRegistry
from tests.registry.scripted import Answer, Scripted, missing, scripted

AVRO = {"format": "avro"}


def record(**fields: str) -> str:
    each = [{"name": name, "type": kind} for name, kind in fields.items()]
    return json.dumps({"type": "record", "name": "Order", "fields": each})


def resolve(
    entries: dict[str, dict[str, Any]], registry: Scripted | SchemaRegistry | None
) -> ResolvedFormats:
    """The formats of topics, by their entries in the job file."""
    document: dict[str, Any] = {
        "job": {"name": "j", "destination": "file:///nowhere/data"},
        "kafka": {"bootstrap_servers": ["k:9092"]},
        "topics": [{"name": name, **entry} for name, entry in entries.items()],
    }
    if registry is not None:
        document["registry"] = {"url": registry.url, "request_timeout_ms": 300, "give_up_after_s": 0.5}
    return resolve_formats(open_job(JobConfig.model_validate(document), Secrets()), list(entries))


def subjects(**texts: list[tuple[int, str, str]]) -> Any:
    """A registry of these subjects: (id, type, text) of each version."""

    def answer(path: str) -> Answer:
        _, _, subject, _, *version = path.split("/")
        versions = texts.get(subject.replace("-", "_"))
        if versions is None:
            return missing(40401)
        if not version:
            return Answer(body=json.dumps(list(range(1, len(versions) + 1))).encode())
        schema_id, schema_type, text = versions[int(version[0]) - 1]
        return Answer(body=json.dumps({"id": schema_id, "schemaType": schema_type, "schema": text}).encode())

    return answer


def test_formats_without_schemas_are_what_the_job_file_says() -> None:
    columns = {"sku": "string", "buyer": {"name": "string"}}
    entries: dict[str, dict[str, Any]] = {
        "plain": {},
        "texts": {"value": {"format": "string"}, "keep_value": True},
        "orders": {
            "value": {"format": "json", "columns": columns, "unknown_fields": "drop"},
            "key": {"format": "string"},
            "rename": {"sku": "article"},
        },
    }

    resolved = resolve(entries, None)

    struct = parse_type("struct<sku: string, buyer: struct<name: string>>")
    assert resolved == ResolvedFormats(
        {
            "plain": TopicFormat(),
            "texts": TopicFormat(value=StringSpec(), keep_value=True),
            "orders": TopicFormat(
                value=JsonSpec(struct, "drop"),  # type: ignore[arg-type] # a struct, as is written above
                key=StringSpec(),
                rename={"sku": "article"},
            ),
        }
    )


def test_topics_without_need_of_the_registry_do_not_ask_it() -> None:
    with scripted(Answer(500, b"")) as registry:
        resolved = resolve({"plain": {}, "texts": {"value": {"format": "string"}}}, registry)

    assert set(resolved.formats) == {"plain", "texts"}
    assert registry.paths == []


def test_a_subject_is_asked_once_for_all_its_versions_whoever_shares_it() -> None:
    first, second = record(n="long"), record(n="long", m="double")
    has = subjects(orders_value=[(4, "AVRO", first), (9, "AVRO", second)], shared=[(5, "AVRO", first)])
    shared = {"format": "avro", "subject": "shared"}
    with scripted(has) as registry:
        resolved = resolve({"orders": {"value": AVRO, "key": shared}, "other": {"value": shared}}, registry)

    versions = (RegisteredSchema(4, "AVRO", first), RegisteredSchema(9, "AVRO", second))
    of_shared = AvroSpec((RegisteredSchema(5, "AVRO", first),))
    assert resolved.failures == {}
    assert resolved.formats["orders"] == TopicFormat(
        value=AvroSpec(versions), key=of_shared, schema_ids=(4, 9, 5)
    )
    assert resolved.formats["other"] == TopicFormat(value=of_shared, schema_ids=(5,))
    assert sorted(registry.paths) == [
        "/subjects/orders-value/versions",
        "/subjects/orders-value/versions/1",
        "/subjects/orders-value/versions/2",
        "/subjects/shared/versions",
        "/subjects/shared/versions/1",
    ]


def test_of_a_subject_whose_kind_changed_the_formats_own_schemas_count() -> None:
    has = subjects(orders_value=[(1, "JSON", "{}"), (2, "AVRO", record(n="long"))])
    with scripted(has) as registry:
        resolved = resolve({"orders": {"value": AVRO}}, registry)

    assert resolved.formats["orders"].schema_ids == (2,)


def test_a_registry_that_is_down_fails_the_topics_that_need_it_and_no_other() -> None:
    with scripted(Answer(503, b"")) as registry:
        resolved = resolve({"plain": {}, "orders": {"value": AVRO}, "clicks": {"key": AVRO}}, registry)

    assert set(resolved.formats) == {"plain"}
    assert set(resolved.failures) == {"orders", "clicks"}
    for error in resolved.failures.values():
        assert isinstance(error, RegistryUnavailable)
        assert registry.url in str(error)


@pytest.mark.parametrize(
    ("answer", "error"), [(Answer(503, b""), RegistryUnavailable), (Answer(401, b""), AccessDenied)]
)
def test_where_every_topic_needs_a_registry_that_fails_each_says_so(
    answer: Answer, error: type[Exception]
) -> None:
    with scripted(answer) as registry:
        resolved = resolve({"orders": {"value": AVRO}, "clicks": {"value": AVRO}}, registry)

    assert resolved.formats == {}
    assert {topic: type(failure) for topic, failure in resolved.failures.items()} == {
        "orders": error,
        "clicks": error,
    }


def test_a_registry_that_is_down_is_waited_for_once_however_many_topics_need_it() -> None:
    entries = {f"orders-{number}": {"value": AVRO} for number in range(100)}
    with scripted(Answer(503, b"")) as registry:
        resolved = resolve(entries, registry)

    assert set(resolved.failures) == set(entries)
    assert (
        len({path.split("/")[2] for path in registry.paths}) <= ASKED_AT_ONCE
    )  # the others were not asked for


def test_a_subject_that_is_not_there_fails_its_topic_and_names_both() -> None:
    has = subjects(clicks_value=[(1, "AVRO", record(n="long"))])
    with scripted(has) as registry:
        resolved = resolve({"orders": {"value": AVRO}, "clicks": {"value": AVRO}}, registry)

    assert set(resolved.formats) == {"clicks"}
    error = resolved.failures["orders"]
    assert isinstance(error, UnusableSchema)
    assert error.exit_status == 2
    for part in ("orders: its value: ", "no subject orders-value", "value.subject"):
        assert part in str(error)


@pytest.mark.parametrize(
    ("kind", "text", "problem"),
    [
        ("PROTOBUF", 'syntax = "proto3";', "value is avro by the job file, but .* holds schemas of PROTOBUF"),
        ("AVRO", "{", "value: .*schema id 7"),
    ],
)
def test_a_schema_that_does_not_fit_fails_its_topic_by_name(kind: str, text: str, problem: str) -> None:
    with scripted(subjects(orders_value=[(7, kind, text)])) as registry:
        resolved = resolve({"plain": {}, "orders": {"value": AVRO}}, registry)

    assert set(resolved.formats) == {"plain"}
    with pytest.raises(UnusableSchema, match=f"^orders: its {problem}"):
        raise resolved.failures["orders"]


def test_a_schema_file_is_read_and_needs_no_registry(tmp_path: Path) -> None:
    file = tmp_path / "order.avsc"
    file.write_bytes(b"\xef\xbb\xbf" + record(n="long").encode())

    resolved = resolve({"orders": {"value": {"format": "avro", "schema_file": str(file)}}}, None)

    assert resolved.formats["orders"] == TopicFormat(value=AvroSpec(reader=record(n="long")))


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot be read: No such file or directory"), (b"\xff", "is not UTF-8 text")],
)
@pytest.mark.parametrize("side", ["value", "key"])
def test_a_schema_file_that_is_not_to_be_read_is_named_with_its_key(
    tmp_path: Path, side: str, content: bytes | None, problem: str
) -> None:
    file = tmp_path / "order.avsc"
    if content is not None:
        file.write_bytes(content)

    resolved = resolve({"plain": {}, "orders": {side: {"format": "avro", "schema_file": str(file)}}}, None)

    assert set(resolved.formats) == {"plain"}
    error = resolved.failures["orders"]
    assert isinstance(error, ConfigError)
    assert error.problems == (f"topics[orders].{side}.schema_file: file {file} {problem}",)


MONEY = 'syntax = "proto3"; package shop; message Money { int64 cents = 1; }'
ORDER = (
    'syntax = "proto3"; import "shop/money.proto"; message Order { shop.Money total = 1; string buyer = 2; }'
)


def test_protobuf_by_a_real_registry_brings_what_its_schemas_import(registry: SchemaRegistry) -> None:
    registry.register("proto-money", MONEY, "PROTOBUF")
    schema_id = registry.register("proto-value", ORDER, "PROTOBUF", [("shop/money.proto", "proto-money", 1)])

    resolved = resolve({"proto": {"value": {"format": "protobuf"}}}, registry)

    topic_format = resolved.formats["proto"]
    assert topic_format.schema_ids == (schema_id,)
    assert topic_format.value is not None
    assert topic_format.value.column_type == to_arrow(
        parse_type("struct<total: struct<cents: long>, buyer: string>")
    )


def test_protobuf_by_a_descriptor_file_needs_no_registry(tmp_path: Path) -> None:
    money = SchemaReference("shop/money.proto", MONEY)
    file = tmp_path / "order.desc"
    file.write_bytes(compile_schema(RegisteredSchema(1, "PROTOBUF", ORDER, (money,))))
    value = {"format": "protobuf", "descriptor_file": str(file), "message": "Order"}

    resolved = resolve({"orders": {"value": value}}, None)

    spec = resolved.formats["orders"].value
    assert spec is not None
    assert spec.column_type == to_arrow(parse_type("struct<total: struct<cents: long>, buyer: string>"))


def test_a_protobuf_schema_that_protoc_refuses_fails_its_topic_by_name() -> None:
    with scripted(subjects(orders_value=[(7, "PROTOBUF", 'import "none.proto";')])) as registry:
        resolved = resolve({"plain": {}, "orders": {"value": {"format": "protobuf"}}}, registry)

    assert set(resolved.formats) == {"plain"}
    with pytest.raises(UnusableSchema, match=r"^orders: its value: schema 7 .*none\.proto"):
        raise resolved.failures["orders"]


def test_protobuf_without_its_packages_tells_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "loader.formats.protobuf.spec", None)
    with scripted(subjects(orders_value=[(7, "PROTOBUF", MONEY)])) as registry:
        resolved = resolve({"plain": {}, "orders": {"value": {"format": "protobuf"}}}, registry)

    assert set(resolved.formats) == {"plain"}
    assert "pip install 'kafka-hadoop-loader[formats]'" in str(resolved.failures["orders"])


def test_a_real_registry_gives_every_version_of_a_topic(registry: SchemaRegistry) -> None:
    texts = [record(n="long"), record(n="long", m="double")]
    ids = [registry.register("resolved-value", text) for text in texts]

    resolved = resolve({"resolved": {"value": AVRO}}, registry)

    assert resolved.formats["resolved"].schema_ids == tuple(ids)
    spec = resolved.formats["resolved"].value
    assert isinstance(spec, AvroSpec)
    assert [schema.text for schema in spec.schemas] == texts
