"""The types of columns as Arrow has them, and back.

One Arrow type for each type of `loader.values.column_types`: nullable in every part, since a schema that
grows leaves holes in what is older, and a list's element is named `element`, as Parquet names it.
"""

import pyarrow as pa

from loader.values.column_types import (
    ColumnType,
    DecimalType,
    ListType,
    MapType,
    Primitive,
    StructType,
    TimestampType,
)

_PRIMITIVES = {
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp_ntz": pa.timestamp("us"),
}
_NAMES = {arrow_type: name for name, arrow_type in _PRIMITIVES.items()}
_MOMENT = pa.timestamp("us", "UTC")


def to_arrow(column_type: ColumnType) -> pa.DataType:
    """The Arrow type of a column. How JSON spells a moment is no part of it."""
    match column_type:
        case Primitive(name):
            return _PRIMITIVES[name]
        case TimestampType():
            return _MOMENT
        case DecimalType(precision, scale):
            return pa.decimal128(precision, scale)
        case ListType(element):
            return pa.list_(pa.field("element", to_arrow(element)))
        case MapType(key, value):
            return pa.map_(to_arrow(key), to_arrow(value))
        case StructType(fields):
            return pa.struct([pa.field(name, to_arrow(each)) for name, each in fields])


def schema_of(columns: StructType) -> pa.Schema:
    """The schema of a table with these columns."""
    return pa.schema(list(to_arrow(columns)))


def columns_of(schema: pa.Schema) -> StructType:
    """The columns of a table with this schema. Raises ValueError as `from_arrow` does."""
    return StructType(tuple((field.name, from_arrow(field.type)) for field in schema))


def from_arrow(arrow_type: pa.DataType) -> ColumnType:
    """The type of a column that Arrow has so. Raises ValueError for a type that no format makes."""
    if arrow_type in _NAMES:
        return Primitive(_NAMES[arrow_type])
    if arrow_type == _MOMENT:
        return TimestampType()
    if pa.types.is_decimal128(arrow_type):
        return DecimalType(arrow_type.precision, arrow_type.scale)
    if pa.types.is_list(arrow_type):
        return ListType(from_arrow(arrow_type.value_type))
    if pa.types.is_map(arrow_type):
        return MapType(from_arrow(arrow_type.key_type), from_arrow(arrow_type.item_type))
    if pa.types.is_struct(arrow_type):
        return StructType(tuple((each.name, from_arrow(each.type)) for each in arrow_type))
    raise ValueError(f"no column has the Arrow type {arrow_type}")
