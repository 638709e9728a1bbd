"""What the columns of a topic are called, and which names no column can have."""

import json
from collections.abc import Iterable, Mapping

from loader.errors import ConfigError

KAFKA = "kafka"
"""The column of all that is known of a record besides its value."""

VALUE = "value"
"""The column of a value without fields."""

TAKEN = {
    KAFKA: "the column of the record's metadata has that name",
    "dt": "the folders by time have that name",
    "hour": "the folders by time have that name",
}


def column_names(topic: str, fields: Iterable[str], rename: Mapping[str, str]) -> list[str]:
    """The names of the columns that the fields of a value become, in their order.

    Raises ConfigError for names that readers cannot tell apart or cannot read. To be asked before anything is
    written.
    """
    names: list[str] = []
    spellings: dict[str, str] = {}
    problems: list[str] = []
    for field in fields:
        name = rename.get(field, field)
        problem = _problem(name, spellings)
        if problem is not None:
            problems.append(
                f"{topic}: {_said(field, name)} cannot be a column: {problem}. Nothing of this topic was"
                " committed. Give it another name in the topic's entry of [[topics]], like"
                f" rename = {{ {json.dumps(field)} = {json.dumps(f'{field}_of_value')} }}"
            )
        names.append(name)
        spellings.setdefault(name.casefold(), name)
    if problems:
        raise ConfigError(problems)
    return names


def _problem(name: str, spellings: Mapping[str, str]) -> str | None:
    if not name:
        return "it has no name"
    if name.casefold() in TAKEN:
        return TAKEN[name.casefold()]
    other = spellings.get(name.casefold())
    if other is None:
        return None
    return (
        "there is one of that name already"
        if other == name
        else f"there is {other} too, and Spark and Hive take the two names for one"
    )


def _said(field: str, name: str) -> str:
    return f'the field "{field}"' if field == name else f'the field "{field}", renamed to "{name}",'
