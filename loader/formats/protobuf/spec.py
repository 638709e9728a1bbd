"""Protobuf values of one topic: which schemas they may be written in, and the columns of all of them."""

from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from loader.formats.arrow_types import to_arrow
from loader.formats.protobuf.columns import BARE_ID, Columns, CompiledSchema, columns_of
from loader.formats.protobuf.decoder import ProtobufDecoder
from loader.formats.protocol import SchemaSource


@dataclass(frozen=True, slots=True)
class ProtobufSpec:
    """Keys or values in Confluent's wire format: a zero, a schema id, message indexes, a message; or bare.

    schemas         all known versions of the subject, oldest first
    descriptor_set  without schemas: what protoc made of the file that all messages are of, with its imports
    message         full name of the message, like shop.Order; with schemas None for the first of the newest

    Raises UnusableSchema for schemas that have no columns, and for versions that no columns hold all of.
    """

    schemas: tuple[CompiledSchema, ...] = ()
    descriptor_set: bytes | None = None
    message: str | None = None

    def __post_init__(self) -> None:
        if bool(self.schemas) == (self.descriptor_set is not None):
            raise ValueError("messages have schema ids, or one descriptor set for all: not both, not neither")
        if self.descriptor_set is not None and self.message is None:
            raise ValueError("messages without schema ids need the name of their type")
        _columns(self)

    @property
    def format_name(self) -> str:
        """As in the job file."""
        return "protobuf"

    @property
    def column_type(self) -> pa.DataType:
        """A struct of the message's fields."""
        return to_arrow(_columns(self).column_type)

    def decoder(self, schemas: SchemaSource) -> ProtobufDecoder:
        """The decoder; ids that are not known are asked of `schemas`, each once."""
        return ProtobufDecoder(_columns(self), schemas, has_ids=self.descriptor_set is None)


@lru_cache(maxsize=64)
def _columns(spec: ProtobufSpec) -> Columns:
    if spec.descriptor_set is not None:
        return columns_of([CompiledSchema(BARE_ID, spec.descriptor_set)], spec.message)
    return columns_of(spec.schemas, spec.message)
