"""The client against a real registry: subjects, versions, ids, and schemas that refer to others."""

import json
from collections.abc import Iterator

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from loader.errors import ConfigError, UnusableSchema
from loader.registry.client import RegistryClient, SubjectVersion
from loader.registry.protoc import compile_schema
from loader.registry.settings import RegistrySettings
from loader.registry.source import RegistrySource
from loader.values.schemas import RegisteredSchema, SchemaReference
from local_services.registry import SchemaRegistry


def record(name: str, **fields: str) -> str:
    each = [{"name": field, "type": kind} for field, kind in fields.items()]
    return json.dumps({"type": "record", "name": name, "namespace": "shop", "fields": each})


@pytest.fixture
def client(registry: SchemaRegistry) -> Iterator[RegistryClient]:
    with RegistryClient(RegistrySettings(urls=(registry.url,))) as client:
        yield client


def test_all_versions_of_a_subject_come_with_their_ids(
    registry: SchemaRegistry, client: RegistryClient
) -> None:
    texts = [
        record("Versions", n="long"),
        record("Versions", n="long", m="double"),
        record("Versions", n="int"),
    ]
    ids = [registry.register("versions-value", text) for text in texts]

    schemas = client.all_versions("versions-value")

    assert schemas == tuple(
        RegisteredSchema(schema_id, "AVRO", text) for schema_id, text in zip(ids, texts, strict=True)
    )
    assert client.versions("versions-value") == (1, 2, 3)
    assert client.version("versions-value", 2) == schemas[1]
    assert client.version("versions-value") == schemas[2]
    assert [client.schema(schema_id) for schema_id in ids] == list(schemas)


def test_avro_references_come_each_before_the_one_that_refers_to_it(
    registry: SchemaRegistry, client: RegistryClient
) -> None:
    currency = record("Currency", iso="string")
    money = record("Money", currency="shop.Currency", cents="long")
    order = record("Order", total="shop.Money", paid_in="shop.Currency")
    registry.register("shop-currency", currency)
    registry.register("shop-money", money, references=[("shop.Currency", "shop-currency", 1)])
    schema_id = registry.register(
        "shop-order",
        order,
        references=[("shop.Money", "shop-money", 1), ("shop.Currency", "shop-currency", 1)],
    )

    schema = client.schema(schema_id)

    assert schema == RegisteredSchema(
        schema_id,
        "AVRO",
        order,
        (SchemaReference("shop.Currency", currency), SchemaReference("shop.Money", money)),
    )
    assert client.all_versions("shop-order") == (schema,)
    assert client.places(schema_id) == (SubjectVersion("shop-order", 1),)


def test_protobuf_with_imports_becomes_descriptors(registry: SchemaRegistry, client: RegistryClient) -> None:
    money = 'syntax = "proto3"; package imports; message Money { int64 cents = 1; }'
    order = (
        'syntax = "proto3"; package imports; import "imports/money.proto";'
        ' import "google/protobuf/timestamp.proto";'
        " message Order { Money total = 1; google.protobuf.Timestamp at = 2; }"
    )
    registry.register("imports-money", money, "PROTOBUF")
    reference = ("imports/money.proto", "imports-money", 1)
    registry.register("imports-value", order, "PROTOBUF", [reference])

    [schema] = client.all_versions("imports-value")

    assert schema.schema_type == "PROTOBUF"
    assert schema.references == (SchemaReference("imports/money.proto", money),)
    files = FileDescriptorSet.FromString(compile_schema(schema)).file
    assert {file.name for file in files[:-1]} == {"imports/money.proto", "google/protobuf/timestamp.proto"}
    assert [(field.name, field.type_name) for field in files[-1].message_type[0].field] == [
        ("total", ".imports.Money"),
        ("at", ".google.protobuf.Timestamp"),
    ]


def test_a_json_schema_is_known_by_its_type(registry: SchemaRegistry, client: RegistryClient) -> None:
    text = '{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}'
    schema_id = registry.register("json-value", text, "JSON")

    assert client.schema(schema_id) == RegisteredSchema(schema_id, "JSON", text)


def test_what_is_not_there_is_told_apart_from_an_address_that_is_wrong(
    registry: SchemaRegistry, client: RegistryClient
) -> None:
    registry.register("there-value", record("There", n="long"))

    assert client.schema(2_000_000_000) is None
    assert client.places(2_000_000_000) is None
    assert client.versions("absent-value") is None
    assert client.version("absent-value") is None
    assert client.version("there-value", 99) is None
    with pytest.raises(UnusableSchema, match="the schema registry has no subject absent-value"):
        client.all_versions("absent-value")
    elsewhere = RegistryClient(RegistrySettings(urls=(registry.url.removesuffix("/apis/ccompat/v7"),)))
    with pytest.raises(ConfigError, match="is that the URL of an API like Confluent's"):
        elsewhere.schema(1)


def test_a_task_finds_a_schema_that_was_registered_since_the_driver_looked(registry: SchemaRegistry) -> None:
    first = registry.register("later-value", record("Later", n="long"))
    settings = RegistrySettings(urls=(registry.url,))
    with RegistryClient(settings) as client:
        known = client.all_versions("later-value")

    second = registry.register("later-value", record("Later", n="long", m="long"))

    with RegistrySource(settings) as schemas:
        assert schemas.schema(first) == known[0]
        found = schemas.schema(second)
        assert found is not None
        assert found.text == record("Later", n="long", m="long")
