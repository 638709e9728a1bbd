"""The columns of Parquet that a schema of Arrow becomes, and how each is written."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa

from loader.formats.metadata import is_typed, metadata_path
from loader.formats.names import KAFKA
from loader.records.schema import RAW_SCHEMA

STATISTICS = ("topic", "partition", "offset", "timestamp")
DICTIONARIES = ("topic", "partition", "timestampType")
"""Keys and raw values mostly differ from row to row: a dictionary of them costs time and saves nothing."""

ORDER = ("partition", "offset")


class Leaf(NamedTuple):
    """A column of Parquet: `basket.list.element.sku`."""

    path: str
    type: pa.DataType


def statistics(schema: pa.Schema) -> list[str]:
    """The columns of which each row group tells the smallest and the largest: what queries skip by."""
    own = [leaf.path for leaf in _own_leaves(schema) if is_typed(schema) and _is_measure(leaf.type)]
    return [*(metadata_path(schema, name) for name in STATISTICS), *own]


def dictionaries(schema: pa.Schema) -> list[str]:
    """The columns that name each of their values once; Parquet leaves it where these are too many."""
    own = [leaf.path for leaf in _own_leaves(schema) if _may_repeat(leaf.type)]
    return [*(metadata_path(schema, name) for name in DICTIONARIES), *own]


def order(schema: pa.Schema) -> list[tuple[str, str]]:
    """The columns by which rows are sorted."""
    return [(metadata_path(schema, name), "ascending") for name in ORDER]


def leaves(fields: Iterable[pa.Field], within: str = "") -> Iterator[Leaf]:
    """The columns of Parquet, in their order."""
    for field in fields:
        yield from _of_type(field.type, f"{within}{field.name}")


def _of_type(column_type: pa.DataType, path: str) -> Iterator[Leaf]:
    if pa.types.is_struct(column_type):
        yield from leaves(column_type, f"{path}.")
    elif pa.types.is_map(column_type):
        yield from _of_type(column_type.key_type, f"{path}.key_value.key")
        yield from _of_type(column_type.item_type, f"{path}.key_value.value")
    elif pa.types.is_list(column_type):
        yield from _of_type(column_type.value_type, f"{path}.list.element")
    else:
        yield Leaf(path, column_type)


def _own_leaves(schema: pa.Schema) -> Iterator[Leaf]:
    """Those that raw rows do not have."""
    known = (KAFKA,) if is_typed(schema) else RAW_SCHEMA.names
    return leaves(field for field in schema if field.name not in known)


def _is_measure(column_type: pa.DataType) -> bool:
    """Numbers and times; the bounds of texts would be as long as these."""
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_temporal)
    return any(is_kind(column_type) for is_kind in kinds)


def _may_repeat(column_type: pa.DataType) -> bool:
    kinds = (pa.types.is_string, pa.types.is_integer, pa.types.is_decimal, pa.types.is_date)
    return any(is_kind(column_type) for is_kind in kinds)
