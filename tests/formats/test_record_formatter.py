"""Each raw row becomes a typed row or a quarantined one, with all that is known of it."""

import json
import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from loader.errors import ConfigError
from loader.formats.arrow_types import columns_of
from loader.formats.names import column_names
from loader.formats.protocol import BadValues, DecodedValues, NoSchemas, SchemaSource
from loader.formats.quarantine import QUARANTINE_SCHEMA, first_bad_records
from loader.formats.record_formatter import FormattedRows, RecordFormatter, typed_schema
from loader.formats.string import StringSpec
from loader.formats.topic_format import TopicFormat
from loader.records.schema import RAW_SCHEMA

PERSON = pa.struct([("name", pa.string()), ("Age", pa.int32()), ("tags", pa.list_(pa.string()))])


@dataclass(frozen=True)
class Documents:
    """A format as others are: JSON by Python, of one schema id; a struct."""

    format_name: str = "documents"
    column_type: pa.DataType = PERSON

    def decoder(self, schemas: SchemaSource) -> "Documents":
        del schemas
        return self

    def decode(self, values: pa.BinaryArray) -> DecodedValues:
        found: list[Any] = []
        bad: list[int] = []
        for number, value in enumerate(values.to_pylist()):
            try:
                found.append(value if value is None else json.loads(value))
            except ValueError:
                found.append(None)
                bad.append(number)
        return DecodedValues(
            pa.array(found, self.column_type),
            BadValues(
                np.array(bad, np.int64),
                pa.array(["not-json"] * len(bad), pa.string()),
                pa.array([f"value {number} is none" for number in bad], pa.string()),
                pa.array([7] * len(bad), pa.int32()),
            ),
        )


VALUES = [b'{"name": "Ada", "Age": 36}', b"nonsense", None, b'{"tags": ["a", null]}', b"", b"{}"]
KEYS = [b"k1", b"k2", b"\xff", None, b"\xfe", b""]


def raw_rows() -> pa.RecordBatch:
    count = len(VALUES)
    columns = {
        "key": KEYS,
        "value": VALUES,
        "topic": ["people"] * count,
        "partition": [3] * count,
        "offset": [10, 11, 12, 15, 16, 17],
        "timestamp": [0, None, 2, 3, 4, 5],
        "timestampType": [0, 1] * (count // 2),
        "headers": [None, [{"key": "k", "value": None}], None, None, [{"key": "h", "value": b"v"}], None],
    }
    return pa.RecordBatch.from_pydict(columns, schema=RAW_SCHEMA)


def formatted(topic_format: TopicFormat) -> FormattedRows:
    formatter = RecordFormatter("people", topic_format, NoSchemas(), "run-a")
    result = formatter.format(raw_rows().slice(1))
    assert result.good.schema == formatter.schema
    result.good.validate(full=True)
    return result


def metadata_of(row: dict[str, Any], *dropped: str) -> dict[str, Any]:
    return {name: row[name] for name in RAW_SCHEMA.names if name not in dropped}


def test_each_row_is_typed_or_in_the_quarantine_and_keeps_all_that_kafka_said_of_it() -> None:
    result = formatted(TopicFormat(value=Documents()))

    raw = {row["offset"]: row for row in raw_rows().to_pylist()}
    assert result.good.schema.names == ["name", "Age", "tags", "kafka"]
    assert [(row["name"], row["Age"], row["tags"]) for row in result.good.to_pylist()] == [
        (None, None, None),  # the tombstone
        (None, None, ["a", None]),
        (None, None, None),
    ]
    assert [row["kafka"] for row in result.good.to_pylist()] == [
        metadata_of(raw[offset], "value") for offset in (12, 15, 17)
    ]
    assert result.bad is not None
    assert result.bad.schema == QUARANTINE_SCHEMA
    assert result.bad.to_pylist() == [
        {
            **raw[offset],
            "format": "documents",
            "schema_id": 7,
            "error_class": "not-json",
            "error_text": f"value {number} is none",
            "run_id": "run-a",
        }
        for offset, number in ((11, 0), (16, 3))
    ]


def test_a_bad_key_is_told_as_one_and_where_both_are_bad_the_value_is() -> None:
    result = formatted(TopicFormat(value=Documents(), key=StringSpec(), keep_value=True))

    assert result.bad is not None
    assert [
        (row["offset"], row["format"], row["schema_id"], row["error_class"], row["key"])
        for row in result.bad.to_pylist()
    ] == [
        (11, "documents", 7, "not-json", b"k2"),
        (12, "key: string", None, "not-utf-8", b"\xff"),
        (16, "documents", 7, "not-json", b"\xfe"),
    ]
    assert [
        (row["kafka"]["offset"], row["kafka"]["key"], row["kafka"]["value"])
        for row in result.good.to_pylist()
    ] == [(15, None, VALUES[3]), (17, "", b"{}")]


def test_values_without_fields_are_one_column() -> None:
    texts = formatted(TopicFormat(value=StringSpec(), rename={"value": "text"}))
    bytes_ = formatted(TopicFormat(key=StringSpec()))

    assert texts.bad is None
    assert texts.good.column("text").to_pylist() == ["nonsense", None, '{"tags": ["a", null]}', "", "{}"]
    assert bytes_.good.schema.field("value").type == pa.binary()
    assert bytes_.good.column("value").to_pylist() == [VALUES[1], VALUES[3], VALUES[5]]


def test_rows_have_the_columns_of_a_table_that_has_grown() -> None:
    tags = pa.list_(pa.field("element", pa.string()))
    kafka = typed_schema("people", TopicFormat(value=Documents(), keep_value=True)).field("kafka")
    table = pa.schema(
        [("city", pa.string()), ("Age", pa.int64()), ("name", pa.string()), ("tags", tags), kafka]
    )

    result = formatted(TopicFormat(value=Documents(), columns=columns_of(table)))

    assert result.good.schema == table
    assert [row["kafka"]["offset"] for row in result.good.to_pylist()] == [12, 15, 17]
    assert [row["kafka"]["value"] for row in result.good.to_pylist()] == [None] * 3
    assert [row["tags"] for row in result.good.to_pylist()] == [None, ["a", None], None]
    assert result.good.column("city").null_count == 3


def test_no_rows_at_all_are_no_problem() -> None:
    formatter = RecordFormatter("people", TopicFormat(value=StringSpec()), NoSchemas(), "run-a")

    result = formatter.format(raw_rows().slice(0, 0))

    assert (result.good.num_rows, result.bad) == (0, None)


def test_a_topics_format_can_be_sent_to_tasks() -> None:
    topic_format = TopicFormat(value=StringSpec(), key=StringSpec(), rename={"value": "text"})

    assert pickle.loads(pickle.dumps(topic_format)) == topic_format  # noqa: S301  our own bytes


@pytest.mark.parametrize(
    ("fields", "rename", "problem"),
    [
        (["kafka"], {}, 'the field "kafka" cannot be a column: the column of the record\'s metadata'),
        (["Kafka"], {}, 'the field "Kafka" cannot be a column: the column of the record\'s metadata'),
        (["a", "dt"], {}, "the folders by time have that name"),
        (["HOUR"], {}, "the folders by time have that name"),
        (["a", ""], {}, "it has no name"),
        (["id", "ID"], {}, "there is id too, and Spark and Hive take the two names for one"),
        (["straße", "STRASSE"], {}, "there is straße too"),
        (["_rest", "_rest"], {}, "there is one of that name already"),
        (["a", "b"], {"b": "A"}, 'the field "b", renamed to "A", cannot be a column: there is a too'),
        (["a"], {"a": "hour"}, 'the field "a", renamed to "hour", cannot be a column'),
    ],
)
def test_names_that_readers_cannot_tell_apart_are_refused_with_what_to_do(
    fields: list[str], rename: dict[str, str], problem: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        column_names("orders", fields, rename)

    assert problem in str(refused.value)
    assert "orders: " in str(refused.value)
    assert "rename = { " in str(refused.value)
    assert refused.value.exit_status == 2


def test_fields_take_their_other_names_and_what_is_not_there_is_not_missed() -> None:
    names = column_names("orders", ["hour", "kafka", "x"], {"hour": "day_hour", "kafka": "k", "gone": "dt"})

    assert names == ["day_hour", "k", "x"]


def test_a_bad_record_of_a_time_beyond_any_calendar_can_be_told() -> None:
    times = pa.array([2**62, -(2**62), None, 0, 1, 2], RAW_SCHEMA.field("timestamp").type)
    rows = raw_rows().set_column(RAW_SCHEMA.get_field_index("timestamp"), "timestamp", times)
    bad = RecordFormatter("people", TopicFormat(value=Documents()), NoSchemas(), "run-a").format(rows).bad

    assert bad is not None
    (told,) = first_bad_records(bad, 1)
    assert str(told) == 'people-3@11: not-json: value 1 is none; value begins "nonsense"'
    assert bad.column("timestamp").cast(pa.int64()).to_pylist() == [-(2**62), 1]
