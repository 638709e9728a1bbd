"""Protobuf schemas as a registry gives them, .proto text, to what decoders read: descriptors.

Google's protoc does it, which the package grpcio-tools brings along, in a process of its own: it writes what
is wrong with a schema to stderr, and a worker's threads have that in common. One process takes all schemas
that are asked for at once.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from loader.errors import ConfigError, UnusableSchema
from loader.values.schemas import RegisteredSchema

_TIMEOUT_S = 120
_OWN_NAME = "schema-{}.proto"

# Each argument is the folder of one schema, its file's name in `main`. Ends at the first that fails.
_COMPILE = """
import importlib.resources, pathlib, sys
from grpc_tools import protoc
google = importlib.resources.files("grpc_tools") / "_proto"
for folder in sys.argv[2:]:
    own = pathlib.Path(folder, "main").read_text()
    options = ["--include_imports", f"--descriptor_set_out={folder}/descriptors"]
    paths = [f"-I{folder}/files", f"-I{google}", f"-I{sys.argv[1]}"]
    if protoc.main(["protoc", *paths, *options, own]) != 0:
        sys.exit(f"failed:{pathlib.Path(folder).name}")
"""

# Confluent's registry and clients know these without a reference, as all know google/protobuf.
_CONFLUENT = {
    "confluent/meta.proto": """
        syntax = "proto3";
        package confluent;
        import "google/protobuf/descriptor.proto";
        message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; }
        extend google.protobuf.FileOptions { Meta file_meta = 1088; }
        extend google.protobuf.MessageOptions { Meta message_meta = 1088; }
        extend google.protobuf.FieldOptions { Meta field_meta = 1088; }
        extend google.protobuf.EnumOptions { Meta enum_meta = 1088; }
        extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }
    """,
    "confluent/type/decimal.proto": """
        syntax = "proto3";
        package confluent.type;
        message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }
    """,
}


def compile_schema(schema: RegisteredSchema) -> bytes:
    """`compile_schemas` of one."""
    return compile_schemas([schema])[0]


def compile_schemas(schemas: Sequence[RegisteredSchema]) -> list[bytes]:
    """The serialized FileDescriptorSet of each schema: its imports first, its own file last.

    Raises UnusableSchema with protoc's words on the first that is wrong, ConfigError where protoc is not
    installed.
    """
    if not schemas:
        return []
    if find_spec("grpc_tools") is None:
        raise ConfigError(
            [
                "Protobuf schemas of a registry need protoc, which is not installed:"
                " pip install 'kafka-hadoop-loader[formats]'"
            ]
        )
    with tempfile.TemporaryDirectory(prefix="kafka-loader-") as temporary:
        known = Path(temporary, "known")
        for name, text in _CONFLUENT.items():
            _write(known, name, text)
        folders = [_lay_out(schema, Path(temporary, str(index))) for index, schema in enumerate(schemas)]
        command = [sys.executable, "-P", "-c", _COMPILE, str(known), *map(str, folders)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)  # noqa: S603 - our own Python and code
        except subprocess.TimeoutExpired:
            ids = ", ".join(str(schema.schema_id) for schema in schemas)
            raise UnusableSchema(f"protoc did not end within {_TIMEOUT_S} s on schemas {ids}") from None
        if done.returncode != 0:
            raise _failure(schemas, done.stderr)
        return [(folder / "descriptors").read_bytes() for folder in folders]


def _lay_out(schema: RegisteredSchema, folder: Path) -> Path:
    own = _OWN_NAME.format(schema.schema_id)
    (folder / "files").mkdir(parents=True)
    for reference in schema.references:
        parts = reference.name.split("/")
        # The names are what producers registered: none may lead out of the folder.
        if any(part in ("", ".", "..") or "\0" in part for part in parts) or reference.name == own:
            raise UnusableSchema(
                f"schema {schema.schema_id} of the registry refers to {reference.name!r}, which is no path of"
                " a Protobuf import"
            )
        _write(folder / "files", reference.name, reference.text)
    _write(folder / "files", own, schema.text)
    (folder / "main").write_text(own)
    return folder


def _write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _failure(schemas: Sequence[RegisteredSchema], stderr: str) -> Exception:
    said, failed, number = stderr.rpartition("failed:")
    if not failed or not number.strip().isdigit():
        # Not protoc's verdict on a schema: its package is broken, or the system killed the process.
        return RuntimeError(f"protoc could not be run: {stderr.strip()[-2000:]}")
    schema = schemas[int(number)]
    words = re.sub(r"\s*\n\s*", "; ", said.strip())[:2000]
    return UnusableSchema(
        f"schema {schema.schema_id} of the registry is no Protobuf schema that protoc understands: {words}."
        " Nothing of its topics was committed; correct the schema, or the references it is registered with."
    )
