"""What is wrong with a job file, one line a problem, worded for the person who wrote it.

All problems are found at once. A table is checked against its neighbours only when each key in it is
right, so what is wrong is replaced by something harmless and the check repeated; a conflict that
involves a replaced key is not reported, as it says nothing about what was written.
"""

import copy
import difflib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from loader.config.job import JobConfig
from loader.config.section import Section

Place = tuple[int | str, ...]

_HARMLESS: Mapping[Place, Any] = {
    ("job",): {"name": "x", "destination": "file:///x"},
    ("job", "name"): "x",
    ("job", "destination"): "file:///x",
    ("kafka",): {"bootstrap_servers": ["x:1"]},
    ("kafka", "bootstrap_servers"): ["x:1"],
    ("topics",): [{"name": "x"}],
    ("registry",): {"url": "http://x"},
    ("registry", "url"): "http://x",
}
_SECRETS = {
    (("kafka", "security"), "password"),
    (("kafka", "security"), "key_password"),
    (("registry",), "password"),
    (("registry",), "token"),
    (("registry",), "key_password"),
}
_EXPECTED = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "string_type": "a string",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dict_type": "a table",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def check(document: Mapping[str, Any]) -> JobConfig | list[str]:
    """The config that a parsed job file spells, or every problem in it."""
    mended: dict[str, Any] = copy.deepcopy(dict(document))
    replaced: set[str] = set()
    lines: list[str] = []
    while True:
        try:
            config = JobConfig.model_validate(mended)
        except ValidationError as invalid:
            # A list whose entries are all wrong is called too short as well.
            errors = [
                error
                for error in invalid.errors(include_url=False)
                if error["type"] != "too_short" or not error["input"]
            ]
        else:
            return lines or config
        meant = {_suggestion(error["loc"]) for error in errors if error["type"] == "extra_forbidden"}
        for error in errors:
            if error["type"] == "conflict":
                lines += _conflict_lines(document, error, replaced)
            elif error["type"] != "missing" or _dotted(error["loc"]) not in meant:
                lines.append(f"{_spoken(document, error['loc'])}: {_text(error)}")
        places = [place for error in errors if (place := _mend(mended, error["loc"]))]
        if not places:
            return lines  # only conflicts of the whole are left: nothing is hidden behind them
        replaced.update(map(_dotted, places))
        replaced.update(key for key in meant if key and not _holds(document, key))


def _mend(document: dict[str, Any], place: Place) -> Place:
    """Replace or remove what is wrong; returns the place that changed."""
    if place[:1] == ("topics",) and len(place) > 1:
        # The entry keeps its place, so that the numbers of the others still hold.
        document["topics"][place[1]] = {"name": f"entry-{place[1]}"}
        return place[:2]
    while place and isinstance(place[-1], int):
        place = place[:-1]
    if not place:
        return place
    table: Any = document
    for part in place[:-1]:
        table = table[part]
    if place in _HARMLESS:
        table[place[-1]] = copy.deepcopy(_HARMLESS[place])
    else:
        table.pop(place[-1], None)
    return place


def _holds(document: Mapping[str, Any], key: str) -> bool:
    table: Any = document
    for part in key.split("."):
        if not isinstance(table, dict) or part not in table:
            return False
        table = table[part]
    return True


def _conflict_lines(document: Mapping[str, Any], error: ErrorDetails, replaced: set[str]) -> Iterator[str]:
    prefix = _dotted(error["loc"])
    for conflict in error["ctx"]["conflicts"]:
        keys = {f"{prefix}.{key}" if prefix else key for key in conflict.keys}
        if not any(key == place or key.startswith(f"{place}.") for key in keys for place in replaced):
            yield f"{_spoken(document, error['loc'])}: {conflict.text}" if prefix else conflict.text


def _text(error: ErrorDetails) -> str:
    kind, place, value, context = error["type"], error["loc"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(place)
    if kind == "missing":
        return f"required {'table' if len(place) == 1 else 'key'} is missing"
    if kind == "value_error":
        return str(context["error"])
    # What stands at the place of a secret may be one.
    found = "" if re.search("password|token", str(place[-1])) else f", found {_found(value)}"
    if place == ("topics",) and kind == "tuple_type":
        return "must be a list of tables: write [[topics]], with two brackets"
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind]}{found}"
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"must be {words} {_number(context[bound])}{found}"
    if kind == "literal_error":
        return f"must be {context['expected']}{found}"
    if kind in ("too_short", "string_too_short"):
        return "must not be empty"
    if kind == "string_too_long":
        return f"must have at most {context['max_length']} characters, found {len(value)}"
    if kind == "string_pattern_mismatch":
        return f"must match {context['pattern']}{found}"
    return f"{error['msg']}{found}"


def _number(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)


def _found(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() if "@" in value:
            return "a string"  # which may hold a login
        case str():
            text = value if len(value) <= 60 else value[:57] + "..."
            return f"the string {json.dumps(text, ensure_ascii=False)}"
        case int():
            return f"the integer {value}"
        case float():
            return f"the number {value}"
        case datetime() | date() | time():
            return "a date or time"
        case list() | tuple():
            return "a list"
        case dict():
            return "a table"
        case _:
            return f"a {type(value).__name__}"


def _unknown_key(place: Place) -> str:
    if (place[:-1], place[-1]) in _SECRETS:
        return (
            "a secret does not belong in this file;"
            f" use {place[-1]}_file or {place[-1]}_env, which say where to find it"
        )
    suggestion = _suggestion(place)
    if suggestion is None:
        return f"unknown key; known here: {', '.join(sorted(_KEYS[_table(place)]))}"
    moved = suggestion.rpartition(".")[2] == place[-1]
    return f"unknown key; it belongs to {suggestion}" if moved else f"unknown key; did you mean {suggestion}?"


def _suggestion(place: Place) -> str | None:
    """The key that was probably meant: of this name in another table, else the most alike."""
    table, key = _table(place), str(place[-1])
    paths = {".".join((*other, name)): name for other, names in _KEYS.items() for name in names}
    if same := [path for path, name in paths.items() if name == key]:
        return " or ".join(same)
    own = [".".join((*table, name)) for name in _KEYS[table]]
    likeness = {path: difflib.SequenceMatcher(None, key, name).ratio() for path, name in paths.items()}
    likely = [path for path in (*own, *paths) if likeness[path] >= (0.6 if path in own else 0.8)]
    return max(likely, key=likeness.__getitem__, default=None)


def _table(place: Place) -> tuple[str, ...]:
    return tuple(part for part in place[:-1] if isinstance(part, str))


def _dotted(place: Place) -> str:
    return ".".join(str(part) for part in place)


def _spoken(document: Mapping[str, Any], place: Place) -> str:
    """The place as a person finds it: topics[orders].start, or topics[#3] for an entry without a name."""
    spoken = ""
    for depth, part in enumerate(place):
        if not isinstance(part, int):
            spoken += f".{part}" if spoken else part
        elif place[0] == "topics" and depth == 1:
            spoken += f"[{_topic_label(document, part)}]"
    return spoken


def _topic_label(document: Mapping[str, Any], index: int) -> str:
    entry = document["topics"][index]
    names = [entry.get("name"), entry.get("pattern")] if isinstance(entry, dict) else []
    return next((name for name in names if isinstance(name, str) and name), f"#{index + 1}")


def _keys_by_table(
    model: type[Section], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    yield path, list(model.model_fields)
    for name, field in model.model_fields.items():
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, Section):
                yield from _keys_by_table(inner, (*path, name))


_KEYS = dict(_keys_by_table(JobConfig))
