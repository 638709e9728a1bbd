"""What all errors have in common: an exit status, and a message that survives pickling."""

import copyreg
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from loader.values.choices import Choice


class LoaderError(Exception):
    """Base of every error this package raises on purpose."""

    exit_status: ClassVar[int] = 1

    def __reduce__(self) -> tuple[Any, ...]:
        # Default pickling calls __init__ with the finished message, and fails for subclasses.
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class RunAgainLater(LoaderError):
    """Something out of reach that is expected to come back; nothing to fix here."""

    exit_status = 3


class PersonDecides(LoaderError):
    """Going on would lose or double records, or hide that it happened.

    choices  what a person can decide, each with its command
    """

    exit_status = 4

    def __init__(self, message: str, choices: Sequence[Choice] = ()) -> None:
        super().__init__(message)
        self.choices = tuple(choices)

    def __str__(self) -> str:
        return "\n  - ".join([super().__str__(), *map(str, self.choices)])


def gravest_exit_status(errors: Iterable[Exception], some_unanswered: bool) -> int:
    """The exit status for several errors: a bug before a person decides, before fix it, before run again.

    some_unanswered  whether partitions gave no answer this time: alone, that is a reason to run again
    """
    found = {RunAgainLater.exit_status} if some_unanswered else set()
    found |= {error.exit_status if isinstance(error, LoaderError) else 1 for error in errors}
    return next((status for status in (1, 4, 2, 3) if status in found), 0)
