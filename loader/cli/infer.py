"""`kafka-loader infer`: columns for a topic of JSON, as a block to paste into a job file. Reads only."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loader.cli import process, text
from loader.formats.json.infer import InferredField
from loader.operations.live.infer import Inferred, infer_topic

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def infer(topic: str, config: Path | None, servers: str | None, sample: int, as_json: bool) -> int:
    """Print what a topic's records look like, and return the exit status."""
    inferred = infer_topic(process.read_kafka(config, servers, "kafka-loader-infer"), topic, sample)
    if as_json:
        text.print_json(_document(inferred))
    else:
        for line in _lines(inferred):
            text.say(line)
    return 0


def _lines(inferred: Inferred) -> Iterator[str]:
    object_count = inferred.record_count - inferred.null_count - inferred.other_count
    yield (
        f"# From {text.plural(inferred.record_count, 'record')} of {inferred.topic}, the newest of"
        f" {text.plural(inferred.partition_count, 'partition')}: {text.plural(object_count, 'object')},"
        f" {text.plural(inferred.null_count, 'tombstone')}, {inferred.other_count} other."
    )
    if inferred.bad_count:
        yield f"# With these columns {text.plural(inferred.bad_count, 'record')} would go to the quarantine:"
        yield from (f"#   {_comment(each)}" for each in inferred.bad_texts)
    yield "[[topics]]"
    yield f"name = {json.dumps(inferred.topic)}"
    if inferred.rename:
        renames = ", ".join(f"{_toml(old)} = {_toml(new)}" for old, new in inferred.rename.items())
        yield f"rename = {{ {renames} }}"
    yield from ("", "[topics.value]", 'format = "json"', "", "[topics.value.columns]")
    for name, each in inferred.fields.items():
        if name in inferred.left_out:
            yield f"# {_comment(_toml(name))}: {_comment(inferred.left_out[name])}; {_counts(each)}"
        else:
            yield f"{_key(name)} = {_toml(str(each.column_type))}  # {_counts(each)}"
            yield from (f"#   {_comment(hint)}" for hint in each.hints)
        for part in each.all_parts():
            yield f"#   {_comment(part.path)}: {part.column_type or 'left out'}; {_counts(part)}"
            yield from (f"#     {_comment(hint)}" for hint in part.hints)


def _counts(field: InferredField) -> str:
    counts = {"missing": field.missing_count, "null": field.null_count, **field.other_counts}
    told = [f"{text.count(number)} {what}" for what, number in counts.items() if number]
    return f"of {text.count(field.seen_in)}: {', '.join(told)}" if told else "always there"


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _toml(name)


def _toml(value: str) -> str:
    """A basic string of TOML, which has the escapes of JSON, and also escapes 0x7F."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(value: str) -> str:
    """What comes from records must not end the comment it stands in."""
    return json.dumps(value, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("\x7f", "\\u007f")


def _document(inferred: Inferred) -> dict[str, Any]:
    return {
        "topic": inferred.topic,
        "record_count": inferred.record_count,
        "partition_count": inferred.partition_count,
        "null_count": inferred.null_count,
        "other_count": inferred.other_count,
        "bad_count": inferred.bad_count,
        "bad_texts": list(inferred.bad_texts),
        "rename": dict(inferred.rename),
        "columns": {name: str(each) for name, each in inferred.columns.fields},
        "left_out": dict(inferred.left_out),
        "fields": [_field_document(each) for each in inferred.fields.values()],
    }


def _field_document(field: InferredField) -> dict[str, Any]:
    return {
        "path": field.path,
        "type": None if field.column_type is None else str(field.column_type),
        "seen_in": field.seen_in,
        "missing_count": field.missing_count,
        "null_count": field.null_count,
        "other_counts": dict(field.other_counts),
        "hints": list(field.hints),
        "parts": [_field_document(part) for part in field.parts],
    }
