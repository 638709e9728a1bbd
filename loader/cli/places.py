"""Times, and places in a topic's log, as options spell them."""

import re
from datetime import datetime

from loader.config.starts import AtTimestamp, Earliest, Latest
from loader.errors import ConfigError

_SPAN = re.compile(r"(\d{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_place(option: str, text: str, now_ms: int) -> Earliest | Latest | AtTimestamp | int:
    """earliest, latest, an offset, a time with its zone, or a span before now. Raises ConfigError."""
    if text.isascii() and text.isdigit():
        return int(text)
    return _parse(option, text, now_ms, "earliest, latest, an offset, ")


def parse_begin(option: str, text: str, now_ms: int) -> Earliest | Latest | AtTimestamp:
    """The same without an offset, which means something in one partition only. Raises ConfigError."""
    return _parse(option, text, now_ms, "earliest, latest, ")


def parse_time(option: str, text: str, now_ms: int, others: str = "") -> int:
    """A time with its zone, or a span before now, in ms since 1970. Raises ConfigError.

    others  what else the option takes, for the message
    """
    if span := _SPAN.fullmatch(text):
        return max(0, now_ms - int(span[1]) * _SECONDS[span[2]] * 1000)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment.timestamp() < 0:
        raise ConfigError(
            [
                f"{option} {text}: must be {others}a time with its zone, like 2026-11-01T00:00:00Z, or a span"
                " before now like 2h, 30m or 7d"
            ]
        )
    return round(moment.timestamp() * 1000)


def _parse(option: str, text: str, now_ms: int, others: str) -> Earliest | Latest | AtTimestamp:
    if text == "earliest":
        return Earliest()
    if text == "latest":
        return Latest()
    return AtTimestamp(parse_time(option, text, now_ms, others))
