"""Names of topics and groups as people type them: patterns, and what was probably meant."""

import difflib
import re
from collections.abc import Callable, Iterable

from loader.errors import ConfigError

MOST_NAMED = 3
SHORTEST_PART = 3


def whole_match(pattern: str | None) -> Callable[[str], bool]:
    """Whether a regular expression matches a whole name, as in [[topics]].pattern; without one any name does.

    Raises ConfigError for what is no regular expression.
    """
    if pattern is None:
        return lambda _: True
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(
            [f"{pattern!r} is not a regular expression: {error}{_shell_hint(pattern)}"]
        ) from None
    return lambda name: compiled.fullmatch(name) is not None


def no_match(pattern: str, noun: str, known: Iterable[str]) -> ConfigError:
    """The error for a pattern that matches nothing."""
    like = did_you_mean(pattern.replace(".*", "").replace("*", ""), known) or _shell_hint(pattern)
    return ConfigError([f"no {noun} matches {pattern!r}, a regular expression for the whole name{like}"])


def did_you_mean(wanted: str, known: Iterable[str]) -> str:
    """`; did you mean orders-eu or orders-us?`, or "" where no known name is like the wanted one."""
    names = sorted(set(known))
    alike = difflib.get_close_matches(wanted, names, n=MOST_NAMED)
    if len(wanted) >= SHORTEST_PART:  # what somebody remembers of a long name is a part of it
        alike += [each for each in names if wanted.casefold() in each.casefold() and each not in alike]
    if not alike:
        return ""
    *others, last = alike[:MOST_NAMED]
    return f"; did you mean {', '.join(others)} or {last}?" if others else f"; did you mean {last}?"


def _shell_hint(pattern: str) -> str:
    """Names are matched by regular expressions, and people type what a shell would take."""
    return "" if ".*" in pattern or "*" not in pattern else f"; did you mean {pattern.replace('*', '.*')!r}?"
