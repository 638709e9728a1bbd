"""The kinds of output of a command that shows records."""

from enum import StrEnum


class OutputName(StrEnum):
    """As `--output` spells them."""

    TEXT = "text"
    JSON = "json"
    TABLE = "table"
