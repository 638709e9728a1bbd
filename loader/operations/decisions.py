"""What a run decides as it goes on, beside its plan: each is told once, to whoever listens."""

from dataclasses import dataclass

from loader.commits.record import Commit


@dataclass(frozen=True, slots=True)
class Recovered:
    """The newest commit was not published when this run began; its files are visible now."""

    version: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A topic of which nothing is committed, and why."""

    topic: str
    errors: tuple[Exception, ...]


@dataclass(frozen=True, slots=True)
class Committed:
    """The commit stands: its rows are safe, and not visible yet."""

    commit: Commit


@dataclass(frozen=True, slots=True)
class Published:
    """The files of a commit are visible."""

    commit: Commit


@dataclass(frozen=True, slots=True)
class Swept:
    """The files of runs that can never commit are gone."""

    run_ids: tuple[str, ...]


Decision = Recovered | LeftOut | Committed | Published | Swept
