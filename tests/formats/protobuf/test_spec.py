"""Several schemas of a topic: which columns they make, and what tasks do with ids that nobody planned for."""

import pickle

import pyarrow as pa
import pytest

from loader.errors import SchemaNotPlanned, UnusableSchema
from loader.formats.arrow_types import from_arrow
from loader.formats.protobuf.columns import CompiledSchema
from loader.formats.protobuf.spec import ProtobufSpec
from loader.formats.protocol import MOST_UNKNOWN_IDS, NoSchemas
from loader.registry.protoc import compile_schemas
from loader.values.schemas import RegisteredSchema
from tests.formats.examples import Registry

from .schemas import tagged, varint


def registered(texts: tuple[str, ...], first_id: int) -> list[RegisteredSchema]:
    return [
        RegisteredSchema(schema_id, "PROTOBUF", f'syntax = "proto3";\n{text}')
        for schema_id, text in enumerate(texts, first_id)
    ]


def spec(*texts: str, message: str | None = None) -> ProtobufSpec:
    """Of versions with the ids 1, 2, …."""
    compiled = compile_schemas(registered(texts, 1))
    return ProtobufSpec(tuple(map(CompiledSchema, range(1, len(texts) + 1), compiled)), message=message)


def framed(schema_id: int, message: bytes, indexes: bytes = b"\0") -> bytes:
    return b"\0" + schema_id.to_bytes(4, "big") + indexes + message


def columns_of(found: ProtobufSpec) -> str:
    return str(from_arrow(found.column_type))


OLD = "message A { int32 n = 1; string gone = 2; float f = 3; repeated int32 l = 4; }"
NEW = "message A { double f = 3; int64 n = 1; repeated int64 l = 4; bool fresh = 5; }"


def test_columns_are_those_of_the_newest_then_what_only_older_schemas_have() -> None:
    both = spec(OLD, NEW)

    decoded = both.decoder(NoSchemas()).decode(
        pa.array(
            [
                framed(1, tagged(1, 0, b"\5") + tagged(2, 2, b"x") + tagged(3, 5, b"\0\0\x80\x3f")),
                framed(2, tagged(1, 0, varint(2**40)) + tagged(4, 2, b"\1\2")),
            ],
            pa.binary(),
        )
    )

    assert columns_of(both) == "struct<f: double, n: long, l: list<long>, fresh: boolean, gone: string>"
    assert decoded.column.to_pylist() == [
        {"f": 1.0, "n": 5, "l": [], "fresh": None, "gone": "x"},
        {"f": 0.0, "n": 2**40, "l": [1, 2], "fresh": False, "gone": None},
    ]


def test_versions_that_no_column_holds_are_named_by_field_and_ids() -> None:
    with pytest.raises(UnusableSchema, match=r"column b.x, of schema ids 1 and 3: was int and is string"):
        spec(
            "message A { B b = 1; } message B { int32 x = 1; }",
            "message A { B b = 1; int32 n = 2; } message B { int32 x = 1; }",
            "message A { B b = 1; } message B { string x = 1; }",
        )


def test_a_message_is_chosen_by_its_name_also_within_another() -> None:
    nested = spec("message A { map<string, int32> m = 1; message B { int32 x = 1; } }", message="A.B")
    values = [framed(1, tagged(1, 0, b"\5"), b"\4\0\0"), framed(1, b"")]

    decoded = nested.decoder(NoSchemas()).decode(pa.array(values, pa.binary()))

    assert decoded.column.to_pylist() == [{"x": 5}, None]
    assert decoded.bad.error_texts.to_pylist() == ["is a A, and the columns are those of A.B (byte 5)"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("message A { B b = 1; } message B { repeated B inner = 1; }", "A.b.inner: message B holds itself"),
        (
            'import "google/protobuf/struct.proto"; message A { google.protobuf.Struct s = 1; }',
            "A.s: google.protobuf.Struct may hold anything",
        ),
        ("message A { }", "message A has no fields"),
        ("enum E { ZERO = 0; }", "has no message"),
        (
            "message A0 { int32 x = 1; } "
            + " ".join(
                f"message A{i} {{ {' '.join(f'A{i - 1} f{j} = {j};' for j in range(1, 11))} }}"
                for i in range(1, 9)
            )
            + " message A { A8 a = 1; }",
            "more than 5000 columns",
        ),
    ],
)
def test_messages_without_columns_are_refused_by_their_path(text: str, problem: str) -> None:
    with pytest.raises(UnusableSchema, match=rf"schema id 1.*{problem}"):
        spec(text, message="A" if "message A {" in text else None)


def test_a_group_is_refused() -> None:
    schema = RegisteredSchema(
        1, "PROTOBUF", 'syntax = "proto2"; message A { optional group G = 1 { optional int32 x = 1; } }'
    )

    with pytest.raises(UnusableSchema, match=r"A\.g: it is a group"):
        ProtobufSpec((CompiledSchema(1, compile_schemas([schema])[0]),))


def test_descriptors_without_their_imports_and_no_descriptors_are_refused() -> None:
    for octets in (b"\x0a\x05abcde", b"\x0a\x0d\x0a\x01a\x1a\x08no.proto", b""):
        with pytest.raises(UnusableSchema, match="the descriptor file"):
            ProtobufSpec(descriptor_set=octets, message="A")


def test_a_spec_goes_to_tasks_as_it_is() -> None:
    sent = pickle.loads(pickle.dumps(spec(OLD)))  # noqa: S301 - our own

    assert sent == spec(OLD)
    assert columns_of(sent) == columns_of(spec(OLD))


def test_an_unplanned_schema_that_fits_is_read_and_asked_for_once() -> None:
    registry = Registry(
        *registered(("message A { int32 n = 1; }", "message Other { bytes z = 1; }"), first_id=100)
    )
    decoder = spec(OLD).decoder(registry)
    values = pa.array([framed(100, b"\x08\5"), framed(101, b""), framed(100, b"\x08\6")], pa.binary())

    for _ in range(2):
        decoded = decoder.decode(values)

    assert [row and row["n"] for row in decoded.column.to_pylist()] == [5, None, 6]
    assert decoded.bad.error_texts.to_pylist() == ["is a Other, and the columns are those of A (byte 5)"]
    assert registry.asked == [100, 101]


def test_an_unplanned_schema_with_other_columns_stops_the_topic_by_its_id() -> None:
    newer = registered(("message A { int32 n = 1; bool fresh = 9; }",), first_id=100)
    decoder = spec(OLD).decoder(Registry(*newer))

    with pytest.raises(SchemaNotPlanned, match="schema id 100 was registered since") as stopped:
        decoder.decode(pa.array([framed(100, b"")], pa.binary()))

    assert stopped.value.exit_status == 3


def test_noise_asks_the_registry_only_so_often() -> None:
    registry = Registry()
    values = [framed(schema_id, b"") for schema_id in range(1000, 1000 + MOST_UNKNOWN_IDS + 20_000)]

    decoded = spec(OLD).decoder(registry).decode(pa.array(values * 2, pa.binary()))

    assert len(registry.asked) == MOST_UNKNOWN_IDS
    assert set(decoded.bad.error_classes.to_pylist()) == {"unknown-schema-id"}
    assert len(decoded.bad) == len(values) * 2
