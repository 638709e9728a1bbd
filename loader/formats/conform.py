"""Columns as the topic's table has them: grown by the fields that only others of its rows have."""

import pyarrow as pa
import pyarrow.compute as pc


def conformed(column: pa.Array, column_type: pa.DataType) -> pa.Array:
    """The same values in the type of the table: what is missing is null, int is long, float is double.

    column_type  what `evolution.merged` made of the column's own type and others

    Raises pyarrow.ArrowInvalid or TypeError for types that it did not make.
    """
    if column.type == column_type:
        return column
    if pa.types.is_struct(column_type):
        return _struct(column, column_type)
    if pa.types.is_map(column_type):
        return _list(column, column_type, pa.struct([column_type.key_field, column_type.item_field]))
    if pa.types.is_list(column_type):
        return _list(column, column_type, column_type.value_type)
    return column.cast(column_type)


def _struct(column: pa.StructArray, column_type: pa.StructType) -> pa.StructArray:
    known = {field.name for field in column.type}
    children = [
        conformed(column.field(field.name), field.type)
        if field.name in known
        else pa.nulls(len(column), field.type)
        for field in column_type
    ]
    mask = pc.is_null(column) if column.null_count else None
    return pa.StructArray.from_arrays(children, fields=list(column_type), mask=mask)


def _list(column: pa.ListArray, column_type: pa.DataType, element_type: pa.DataType) -> pa.Array:
    """A list, or a map, with other elements in the same places."""
    elements = conformed(column.values, element_type)
    # By its buffers: the constructors of a list take no slice that has nulls.
    validity, offsets = column.buffers()[:2]
    return pa.Array.from_buffers(
        column_type, len(column), [validity, offsets], column.null_count, column.offset, [elements]
    )
