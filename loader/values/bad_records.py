"""Records that could not be decoded, as messages tell of them."""

import json
from dataclasses import dataclass

MOST_TOLD = 3
"""Bad records of a topic that a message shows."""

BEGINNING_BYTES = 200


@dataclass(frozen=True, slots=True)
class BadRecord:
    """One of them.

    format       what could not be decoded: `json`, or `key: avro`
    error_class  the same word for all of a kind
    error_text   what is wrong, and where
    beginning    of the value, or of the key where that is bad, as text; None where there is none
    """

    topic: str
    partition: int
    offset: int
    format: str
    error_class: str
    error_text: str
    beginning: str | None

    def __str__(self) -> str:
        what = "key" if self.format.startswith("key: ") else "value"
        begins = f"{what} is null" if self.beginning is None else f"{what} begins {self.beginning}"
        return f"{self.topic}-{self.partition}@{self.offset}: {self.error_class}: {self.error_text}; {begins}"


def beginning_of(data: bytes | None) -> str | None:
    """The first bytes as text that one line of a terminal shows: between quotes, what is no text escaped."""
    if data is None:
        return None
    text = data[:BEGINNING_BYTES].decode("utf-8", "backslashreplace")
    printable = "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)
    is_cut = len(data) > BEGINNING_BYTES or len(printable) > BEGINNING_BYTES
    return f'"{printable[:BEGINNING_BYTES]}"' + (" …" if is_cut else "")
