"""Typed columns as plain Python: what a person can be shown, and JSON can say."""

from typing import Any

import pyarrow as pa

Plain = Any
"""None, bool, int, float, str, bytes, or a list or dict of these."""


def plain_values(column: pa.Array) -> list[Plain]:
    """The values of a column; times, dates and decimals as text, which no range of Python's own limits."""
    values: list[Plain] = column.cast(_readable(column.type)).to_pylist(maps_as_pydicts="lossy")
    return values


def _readable(arrow_type: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(arrow_type):
        return pa.struct([pa.field(each.name, _readable(each.type)) for each in arrow_type])
    if pa.types.is_map(arrow_type):
        return pa.map_(_readable(arrow_type.key_type), _readable(arrow_type.item_type))
    if pa.types.is_list(arrow_type):
        return pa.list_(pa.field(arrow_type.value_field.name, _readable(arrow_type.value_type)))
    if pa.types.is_temporal(arrow_type) or pa.types.is_decimal(arrow_type):
        return pa.string()
    return arrow_type
