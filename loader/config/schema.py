"""The JSON Schema of the job file, for editors: `python -m loader.config.schema > conf/job.schema.json`."""

import ast
import inspect
import json
import re
import sys
from itertools import pairwise
from typing import Any, cast

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from loader.config.job import JobConfig
from loader.config.section import Section
from loader.config.starts import Earliest
from loader.config.times import RecordTime


class _TomlSchema(GenerateJsonSchema):
    """A schema of what can be written: TOML has no null, an optional key is left out."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, Earliest):
            return "earliest"
        return "record" if isinstance(dft, RecordTime) else super().encode_default(dft)


def job_schema() -> dict[str, Any]:
    """The schema, as the JSON object of conf/job.schema.json."""
    schema = JobConfig.model_json_schema(schema_generator=_TomlSchema)
    tables = {"JobConfig": schema, **schema["$defs"]}
    for model in Section.__subclasses__():
        for key, text in _texts(model).items():
            tables[model.__name__]["properties"][key]["description"] = text
    tidied: dict[str, Any] = _tidied(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **tidied, "title": "Kafka loader job"}


def _texts(model: type[Section]) -> dict[str, str]:
    """The text under each key of a table."""
    [definition] = ast.parse(inspect.getsource(model)).body
    return {
        key.id: text
        for above, below in pairwise(cast(ast.ClassDef, definition).body)
        if isinstance(above, ast.AnnAssign) and isinstance(key := above.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if isinstance(text := below.value.value, str)
    }


def as_text() -> str:
    """The content of conf/job.schema.json."""
    return json.dumps(job_schema(), indent=2) + "\n"


def _tidied(node: Any) -> Any:
    """Without the titles that repeat a key's name, and with descriptions on one line."""
    if isinstance(node, list):
        return [_tidied(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidied = {
        key: _tidied(value) for key, value in node.items() if key != "title" or not isinstance(value, str)
    }
    if isinstance(tidied.get("description"), str):
        tidied["description"] = re.sub(r"\s+", " ", tidied["description"])
    return tidied


if __name__ == "__main__":
    sys.stdout.write(as_text())
