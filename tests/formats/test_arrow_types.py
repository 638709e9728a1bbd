"""A type that a person writes is one Arrow type, which says the same when it is read back."""

import pyarrow as pa
import pytest

from loader.formats.arrow_types import from_arrow, to_arrow
from loader.values.column_types import parse_type

ONE_OF_EACH = {
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us", "UTC"),
    "timestamp_ntz": pa.timestamp("us"),
    "decimal(10, 2)": pa.decimal128(10, 2),
    "list<int>": pa.list_(pa.field("element", pa.int32())),
    "map<string, list<double>>": pa.map_(pa.string(), pa.list_(pa.field("element", pa.float64()))),
    "struct<a: long, `b c`: struct<d: date>>": pa.struct(
        [("a", pa.int64()), ("b c", pa.struct([("d", pa.date32())]))]
    ),
}


@pytest.mark.parametrize("text", ONE_OF_EACH)
def test_each_type_is_one_arrow_type_and_comes_back(text: str) -> None:
    arrow_type = to_arrow(parse_type(text))

    assert arrow_type == ONE_OF_EACH[text]
    assert str(from_arrow(arrow_type)) == text


def test_a_list_names_its_element_as_parquet_does() -> None:
    assert to_arrow(parse_type("list<int>")).value_field.name == "element"


@pytest.mark.parametrize("encoding", ["s", "ms", "us", "iso"])
def test_how_json_spells_a_moment_is_no_part_of_the_column(encoding: str) -> None:
    assert str(from_arrow(to_arrow(parse_type(f"timestamp({encoding})")))) == "timestamp"


@pytest.mark.parametrize(
    "arrow_type", [pa.int8(), pa.uint64(), pa.timestamp("ns", "UTC"), pa.timestamp("us", "Europe/Berlin")]
)
def test_a_type_that_no_format_makes_is_refused(arrow_type: pa.DataType) -> None:
    with pytest.raises(ValueError, match="no column has the Arrow type"):
        from_arrow(arrow_type)
