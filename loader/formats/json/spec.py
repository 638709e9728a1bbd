"""Which columns JSON objects become, as a value for every task."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from loader.formats.arrow_types import to_arrow
from loader.formats.json.decoder import JsonDecoder
from loader.formats.protocol import SchemaSource
from loader.values.column_types import Primitive, StructType

REST_COLUMN = "_rest"
"""The column of unknown fields: one JSON object as text, null where there are none."""


@dataclass(frozen=True, slots=True)
class JsonSpec:
    """Values that are a JSON object each.

    columns         the fields of the objects, in the order of the columns
    unknown_fields  what becomes of others: kept in the column `_rest`, dropped, or the record is bad
    """

    columns: StructType
    unknown_fields: Literal["rest", "drop", "fail"] = "rest"

    @property
    def format_name(self) -> str:
        """As in the job file."""
        return "json"

    @property
    def _type(self) -> StructType:
        if self.unknown_fields != "rest":
            return self.columns
        return StructType((*self.columns.fields, (REST_COLUMN, Primitive("string"))))

    @property
    def column_type(self) -> pa.DataType:
        """A struct of the columns; with "rest" `_rest` is the last of them."""
        return to_arrow(self._type)

    def decoder(self, schemas: SchemaSource) -> JsonDecoder:
        """Needs no schemas. The first of a process makes the kernels ready, which can take seconds."""
        del schemas
        return JsonDecoder(self._type, self.unknown_fields)
