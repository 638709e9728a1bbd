"""One thing that was looked at: what was found, whether a run can go on with it, and what to do.

A check never raises and never waits without a limit: one that fails must not hide the others.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from loader.errors import LoaderError, PersonDecides
from loader.storage.deadline import DeadlinePassed, within


class Verdict(StrEnum):
    """ok: nothing to do; warning: runs go on, with less; problem: runs fail."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """What was found.

    to_do        what to do about it, "" for nothing
    exit_status  what a run would end with because of it; 0 unless it is a problem
    """

    name: str
    verdict: Verdict
    found: str
    to_do: str = ""
    exit_status: int = 0


def fine(name: str, found: str) -> Check:
    """A check with nothing to do."""
    return Check(name, Verdict.OK, found)


def doubtful(name: str, found: str, to_do: str) -> Check:
    """A check whose finding costs something, but no run."""
    return Check(name, Verdict.WARNING, found, to_do)


def bad(name: str, found: str, to_do: str, exit_status: int) -> Check:
    """A check whose finding makes runs end with `exit_status`."""
    return Check(name, Verdict.PROBLEM, found, to_do, exit_status)


def failed(name: str, error: Exception) -> Check:
    """What an error says, as a check."""
    if isinstance(error, PersonDecides):
        to_do = "; or: ".join(str(choice) for choice in error.choices)
        return bad(name, str(error.args[0]), to_do, error.exit_status)
    if isinstance(error, LoaderError):
        return bad(name, str(error), "", error.exit_status)
    return bad(name, f"could not be looked at: {error!r}", "This is a bug: please report it.", 1)


def looked_at(name: str, limit_s: float, look: Callable[[], Iterable[Check]]) -> list[Check]:
    """The checks that `look` gives; in their place one by that name where it fails or takes too long."""
    found: list[Check] = []

    def gather() -> None:
        found.extend(look())

    try:
        within(limit_s, gather)
    except DeadlinePassed:
        to_do = "Something that it asks hangs; the checks after this one say more."
        return [*found, bad(name, f"no answer within {limit_s:g} s", to_do, 3)]
    except Exception as error:  # also a bug in the check itself: the others are still wanted
        return [*found, failed(name, error)]
    return found
