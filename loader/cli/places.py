"""A place in a topic's log, as options spell it."""

import re
from datetime import datetime

from loader.config.starts import AtTimestamp, Earliest, Latest
from loader.errors import ConfigError

_SPAN = re.compile(r"(\d{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_place(option: str, text: str, now_ms: int) -> Earliest | Latest | AtTimestamp | int:
    """earliest, latest, an offset, a time with its zone, or a span before now. Raises ConfigError."""
    if text == "earliest":
        return Earliest()
    if text == "latest":
        return Latest()
    if text.isascii() and text.isdigit():
        return int(text)
    return AtTimestamp(parse_time(option, text, now_ms))


def parse_time(option: str, text: str, now_ms: int) -> int:
    """A time with its zone, or a span before now, in ms since 1970. Raises ConfigError."""
    if span := _SPAN.fullmatch(text):
        return max(0, now_ms - int(span[1]) * _SECONDS[span[2]] * 1000)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment.timestamp() < 0:
        raise ConfigError(
            [
                f"{option} {text}: must be a time with its zone, like 2026-11-01T00:00:00Z, or a span before"
                " now like 2h, 30m or 7d"
            ]
        )
    return round(moment.timestamp() * 1000)
