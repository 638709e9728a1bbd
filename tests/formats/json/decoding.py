"""Decoding one column by the kernels, in shapes that the plain decoder has too."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import pyarrow as pa

from loader.formats.json.decoder import JsonDecoder
from loader.formats.json.spec import JsonSpec
from loader.formats.protocol import NoSchemas
from loader.values.column_types import StructType, parse_type

from .plain_json import Bad, decode, parse_rest

Outcome = tuple[str, Any]
"""`good` and the row, or the error class and the path of the field."""


@cache
def decoder_of(columns: StructType, unknown_fields: Any) -> JsonDecoder:
    return JsonSpec(columns, unknown_fields).decoder(NoSchemas())


def type_of(text: str) -> StructType:
    parsed = parse_type(f"struct<{text}>")
    assert isinstance(parsed, StructType)
    return parsed


def kernel_outcomes(
    values: Sequence[bytes | None], columns: StructType, unknown_fields: str = "rest"
) -> list[Outcome]:
    """What the kernels make of each value. Two neighbours are put around: none may leak into another."""
    decoder = decoder_of(columns, unknown_fields)
    array = pa.array([b'"before', *values, b"{}"], pa.binary()).slice(1)
    decoded = decoder.decode(array)
    decoded.column.validate(full=True)
    assert decoded.column.type == decoder.column_type == JsonSpec(columns, unknown_fields).column_type  # type: ignore[arg-type]
    rows = _plain(decoded.column).to_pylist()
    if unknown_fields == "rest":
        rows = [row and parse_rest(row) for row in rows]
    outcomes: list[Outcome] = [("good", row) for row in rows]
    bad = decoded.bad
    for row, error_class, text in zip(
        bad.rows.tolist(), bad.error_classes.to_pylist(), bad.error_texts.to_pylist(), strict=True
    ):
        assert rows[row] is None
        path, colon, _ = text.partition(": ")
        outcomes[row] = (error_class, path if colon else "")
    assert outcomes.pop()[0] == "good"
    return outcomes


def plain_outcome(value: bytes | None, columns: StructType, unknown_fields: str = "rest") -> Outcome:
    """What the plain decoder makes of a value."""
    if value is None:
        return "good", None
    try:
        return "good", decode(value, columns, unknown_fields)
    except Bad as bad:
        return bad.args[0], bad.args[1]


def _plain(column: pa.Array) -> pa.Array:
    """The same values with times as integers: what datetime cannot hold, or holds in zones, compares too."""
    return pa.Array.from_buffers(
        _plain_type(column.type),
        len(column),
        column.buffers()[: column.type.num_buffers],
        children=_children(column),
    )


def _children(column: pa.Array) -> list[pa.Array] | None:
    kind = column.type
    if pa.types.is_struct(kind):
        return [_plain(column.field(number)) for number in range(kind.num_fields)]
    if pa.types.is_map(kind):
        entries = pa.StructArray.from_arrays([_plain(column.keys), _plain(column.items)], ["key", "value"])
        return [entries]
    return [_plain(column.values)] if pa.types.is_list(kind) else None


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _plain_type(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_plain_type(kind.key_type), _plain_type(kind.item_type))
    if pa.types.is_list(kind):
        return pa.list_(_plain_type(kind.value_type))
    if pa.types.is_date(kind):
        return pa.int32()
    return pa.int64() if pa.types.is_timestamp(kind) or pa.types.is_time(kind) else kind
