"""What every table of the job file has in common: frozen, strict, and closed to unknown keys."""

from collections.abc import Iterator
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError


class Conflict(NamedTuple):
    """Keys that are each right, but not together. Keys are named from the section they are found in."""

    keys: tuple[str, ...]
    text: str


class Section(BaseModel):
    """A table of the job file.

    The text under a key is what editors show of it: loader.config.schema collects these. pydantic can as
    well, by reading the sources whenever the package is imported, which takes longer than all the rest.
    """

    # Strict: TOML has types of its own, so "500" where a number belongs is a mistake, not a spelling.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def conflicts(self) -> Iterator[Conflict]:
        """Every pair of keys that cannot both hold; called when each key by itself is right."""
        yield from ()

    @model_validator(mode="after")
    def _refuse_conflicts(self) -> Self:
        found = tuple(self.conflicts())
        if found:
            text = "; ".join(conflict.text for conflict in found)
            raise PydanticCustomError("conflict", "{text}", {"text": text, "conflicts": found})
        return self
