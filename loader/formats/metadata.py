"""Where rows keep what Kafka says of them: raw ones at the top, typed ones in the column `kafka`.

A field of a value may be called `offset` too; but none may be called `kafka`, so that name tells them apart.
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from loader.formats.names import KAFKA


def is_typed(schema: pa.Schema) -> bool:
    """Whether rows of this schema are typed."""
    return bool(schema.get_field_index(KAFKA) >= 0)


def metadata_path(schema: pa.Schema, name: str) -> str:
    """How Parquet calls a column of the record's metadata: `offset`, or `kafka.offset`."""
    return f"{KAFKA}.{name}" if is_typed(schema) else name


def metadata_type(schema: pa.Schema, name: str) -> pa.DataType | None:
    """Its type, None where there is no such column."""
    within = schema
    if is_typed(schema):
        within = schema.field(KAFKA).type
        if not pa.types.is_struct(within):
            return None
    at = within.get_field_index(name)
    return None if at < 0 else within.field(at).type


def metadata(rows: pa.RecordBatch | pa.Table, name: str) -> Any:
    """The column itself, without a copy; of a table a chunked one."""
    if not is_typed(rows.schema):
        return rows.column(name)
    column = rows.column(KAFKA)
    # Not by compute for arrays: it would look at the struct's own nulls, which has none.
    return pc.struct_field(column, name) if isinstance(column, pa.ChunkedArray) else column.field(name)
