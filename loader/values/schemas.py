"""A schema as a registry keeps it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SchemaReference:
    """Another schema that a schema refers to.

    name  by which the schema that refers to it calls it: a full name in Avro, an import's path in Protobuf
    text  of the schema referred to
    """

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """One schema, with all it needs to be understood.

    schema_id    what values of Confluent's wire format carry
    schema_type  AVRO, PROTOBUF or JSON
    references   all of them, those of references too; each before the one that refers to it
    """

    schema_id: int
    schema_type: str
    text: str
    references: tuple[SchemaReference, ...] = ()
