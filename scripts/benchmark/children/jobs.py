"""Jobs of the loader for a turn: as a document, and as a file for whole commands."""

import json
from pathlib import Path
from typing import Any

from benchmark.children.serving import Turn
from benchmark.encodings import AVRO_SCHEMA, COLUMNS, MESSAGE, descriptor_set
from loader.config.problems import check
from loader.config.secrets import Secrets
from loader.operations.job import Job, open_job


def job_document(turn: Turn, **sections: Any) -> dict[str, Any]:
    """The smallest job that loads all topics of the turn; what `sections` does not have is the default."""
    return {
        "job": {"name": "benchmark", "destination": turn.output},
        "kafka": {"bootstrap_servers": [turn.bootstrap_servers]},
        "topics": [{"name": topic, **_format(turn)} for topic in turn.ends],
        **sections,
    }


def _format(turn: Turn) -> dict[str, Any]:
    """How a topic entry says what its values are; the schemas lie beside the output."""
    if turn.format == "raw":
        return {}
    if turn.format == "json":
        value: dict[str, Any] = {"format": "json", "columns": COLUMNS}
    elif turn.format == "avro":
        schema = Path(f"{turn.folder}.avsc")
        schema.write_text(json.dumps(AVRO_SCHEMA))
        value = {"format": "avro", "schema_file": str(schema)}
    else:
        descriptors = Path(f"{turn.folder}.desc")
        descriptors.write_bytes(descriptor_set())
        value = {"format": "protobuf", "descriptor_file": str(descriptors), "message": MESSAGE}
    return {"value": value, "max_bad_records": turn.row_count}


def open_turn_job(turn: Turn, **sections: Any) -> Job:
    """The job, opened. Raises ValueError when its document is wrong."""
    config = check(job_document(turn, **sections))
    if isinstance(config, list):
        raise ValueError(f"the benchmark's own job is wrong: {config}")
    return open_job(config, Secrets())


def write_job(path: Path, turn: Turn, **sections: Any) -> None:
    """The job as a TOML file."""
    document = job_document(turn, **sections)
    lines = []
    for name, section in document.items():
        for part in section if isinstance(section, list) else [section]:
            lines.append(f"[[{name}]]" if isinstance(section, list) else f"[{name}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in part.items()]
    path.write_text("\n".join(lines) + "\n")
