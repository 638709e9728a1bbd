"""Columns that grow: what a topic's files have so far, joined with what its records have today.

The rows of one topic are one table, however its schema changed while they were written. So a column is never
dropped, and changes only to a type that holds all it held before: a reader of the wider type reads the older
files too. Everything else stops the topic before a row of it is written.
"""

from collections.abc import Callable, Iterable, Sequence

import pyarrow as pa

from loader.errors import SchemaChanged
from loader.formats.arrow_types import from_arrow
from loader.formats.names import KAFKA
from loader.values.column_types import StructType, parse_type

WIDER = {pa.int32(): pa.int64(), pa.float32(): pa.float64()}

Refusal = Callable[[str, str], SchemaChanged]
"""Makes the error, from the path of a field and what is wrong with it."""


def merged(
    known: pa.Schema | None, incoming: pa.Schema, topic: str, schema_ids: Sequence[int] = ()
) -> pa.Schema:
    """The columns that hold both: those of `known` in their order, then those that are new.

    A new field is added, within structs, list elements and map values as well; of int and long, and of float
    and double, the wider stays. What `incoming` lacks stays, and is null in new rows. `kafka` comes last.

    known       None where no row of the topic has columns yet
    schema_ids  of the registry's schemas that `incoming` is made of, for the message

    Raises SchemaChanged for types that no column holds both of, for names that differ only by case, and for
    what the ledger cannot tell of: a struct without fields, or types that lie too deep.
    """

    def refusal(path: str, problem: str) -> SchemaChanged:
        return SchemaChanged(topic, path, problem, schema_ids)

    fields = _merged_fields(list(known or ()), list(incoming), "", refusal)
    for field in fields:
        _refuse_untold(field, refusal)
    return pa.schema(sorted(fields, key=lambda field: field.name == KAFKA))


def _refuse_untold(column: pa.Field, refusal: Refusal) -> None:
    """A commit whose columns cannot be read back would be a damaged one."""
    try:
        parse_type(str(StructType(((column.name, from_arrow(column.type)),))))
    except ValueError as error:
        raise refusal(column.name, str(error)) from error


def _merged_fields(
    known: Iterable[pa.Field], incoming: Iterable[pa.Field], within: str, refusal: Refusal
) -> list[pa.Field]:
    types = {field.name: field.type for field in known}
    spellings = {name.casefold(): name for name in types}
    fresh: set[str] = set()
    for field in incoming:
        path = f"{within}{field.name}"
        spelling = spellings.setdefault(field.name.casefold(), field.name)
        if spelling != field.name:
            raise refusal(path, f"there is {spelling} too, and Spark and Hive take the two names for one")
        if field.name in fresh:
            raise refusal(path, "two fields have this name")
        fresh.add(field.name)
        before = types.get(field.name)
        types[field.name] = (
            _new_type(field.type, path, refusal)
            if before is None
            else _merged_type(before, field.type, path, refusal)
        )
    return [pa.field(name, each) for name, each in types.items()]


def _merged_type(known: pa.DataType, incoming: pa.DataType, path: str, refusal: Refusal) -> pa.DataType:
    if pa.types.is_struct(known) and pa.types.is_struct(incoming):
        return pa.struct(_merged_fields(list(known), list(incoming), f"{path}.", refusal))
    if pa.types.is_list(known) and pa.types.is_list(incoming):
        element = _merged_type(known.value_type, incoming.value_type, f"{path}.element", refusal)
        return pa.list_(pa.field("element", element))
    if pa.types.is_map(known) and pa.types.is_map(incoming):
        return pa.map_(
            _merged_type(known.key_type, incoming.key_type, f"{path}.key", refusal),
            _merged_type(known.item_type, incoming.item_type, f"{path}.value", refusal),
        )
    if known == incoming or WIDER.get(incoming) == known:
        return known
    if WIDER.get(known) == incoming:
        return incoming
    raise refusal(
        path, f"was {from_arrow(known)} and is {from_arrow(incoming)}, and no column holds both as they are"
    )


def _new_type(new: pa.DataType, path: str, refusal: Refusal) -> pa.DataType:
    """The type of a column that was not there: nullable in every part, with names that stay apart."""
    if pa.types.is_struct(new):
        return pa.struct(_merged_fields([], list(new), f"{path}.", refusal))
    if pa.types.is_list(new):
        return pa.list_(pa.field("element", _new_type(new.value_type, f"{path}.element", refusal)))
    if pa.types.is_map(new):
        return pa.map_(
            _new_type(new.key_type, f"{path}.key", refusal),
            _new_type(new.item_type, f"{path}.value", refusal),
        )
    return new
