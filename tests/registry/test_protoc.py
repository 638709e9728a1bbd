"""Protobuf schemas of a registry become descriptors, with all that they import."""

import sys

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from loader.errors import ConfigError, UnusableSchema
from loader.registry.protoc import compile_schema, compile_schemas
from loader.values.schemas import RegisteredSchema, SchemaReference

MONEY = SchemaReference(
    "shop/money.proto", 'syntax = "proto3"; package shop; message Money { int64 cents = 1; }'
)
CART = SchemaReference(
    "shop/cart.proto",
    'syntax = "proto3"; package shop; import "shop/money.proto"; message Cart { repeated Money prices = 1; }',
)


def proto(schema_id: int, text: str, *references: SchemaReference) -> RegisteredSchema:
    return RegisteredSchema(schema_id, "PROTOBUF", f'syntax = "proto3";\n{text}', references)


def files(descriptors: bytes) -> list[str]:
    return [file.name for file in FileDescriptorSet.FromString(descriptors).file]


def test_a_schema_comes_last_behind_all_that_it_imports() -> None:
    text = """
        import "shop/cart.proto";
        import "google/protobuf/timestamp.proto";
        import "confluent/type/decimal.proto";
        import "confluent/meta.proto";
        message Order {
          shop.Cart cart = 1;
          google.protobuf.Timestamp at = 2;
          confluent.type.Decimal total = 3 [(confluent.field_meta).doc = "with tax"];
        }
    """

    descriptors = compile_schema(proto(7, text, MONEY, CART))

    names = files(descriptors)
    assert names[-1] == "schema-7.proto"
    assert set(names) == {
        "shop/money.proto",
        "shop/cart.proto",
        "google/protobuf/timestamp.proto",
        "google/protobuf/descriptor.proto",
        "confluent/type/decimal.proto",
        "confluent/meta.proto",
        "schema-7.proto",
    }
    assert names.index("shop/money.proto") < names.index("shop/cart.proto")
    (order,) = FileDescriptorSet.FromString(descriptors).file[-1].message_type
    assert [field.type_name for field in order.field] == [
        ".shop.Cart",
        ".google.protobuf.Timestamp",
        ".confluent.type.Decimal",
    ]


def test_several_schemas_compile_apart_though_their_files_have_the_same_names() -> None:
    other = SchemaReference(
        "shop/money.proto", 'syntax = "proto3"; package shop; message Money { string iso = 9; }'
    )
    order = 'import "shop/money.proto"; message Order { shop.Money price = 1; }'

    compiled = compile_schemas([proto(1, order, MONEY), proto(2, order, other)])

    first, second = (FileDescriptorSet.FromString(each).file[0].message_type[0] for each in compiled)
    assert [(field.name, field.number) for field in first.field] == [("cents", 1)]
    assert [(field.name, field.number) for field in second.field] == [("iso", 9)]


def test_a_wrong_schema_is_named_with_protocs_words() -> None:
    schemas = [proto(1, "message A {}"), proto(42, "message B { nothing at all }")]

    with pytest.raises(UnusableSchema, match=r"schema 42 .*schema-42\.proto:2:\d+: ") as refused:
        compile_schemas(schemas)

    assert refused.value.exit_status == 2
    assert "\n" not in str(refused.value)


def test_an_import_without_a_reference_is_named() -> None:
    with pytest.raises(UnusableSchema, match=r"schema 3 .*shop/money\.proto: File not found"):
        compile_schema(proto(3, 'import "shop/money.proto"; message A {}'))


@pytest.mark.parametrize("name", ["../out.proto", "/etc/out.proto", "a//b.proto", "", "schema-5.proto"])
def test_no_reference_leads_out_of_the_folder_or_over_the_schema(name: str) -> None:
    with pytest.raises(UnusableSchema, match="which is no path of a Protobuf import"):
        compile_schema(proto(5, "message A {}", SchemaReference(name, MONEY.text)))


def test_without_protoc_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc_tools", None)

    with pytest.raises(ConfigError, match=r"pip install 'kafka-hadoop-loader\[formats\]'"):
        compile_schema(proto(1, "message A {}"))


def test_nothing_to_compile_starts_nothing() -> None:
    assert compile_schemas([]) == []
