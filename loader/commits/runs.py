"""The hidden folder of one run: its ticket and its staged files.

The ticket says which commit the run builds on. It is written before any task starts, and every task
reads it: an executor that does not see it writes to another disk than the driver.
"""

import json
from dataclasses import asdict, dataclass
from typing import get_type_hints

from loader.errors import ConfigError, PathNotFound
from loader.storage.protocol import Storage
from loader.values import layout


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTicket:
    """One execution. base_version is the newest commit it saw, 0 for none.

    host, process_id and process_started tell whether the driver still lives, asked on the same host.
    Raises TypeError for a value of another type: a ticket is read back from where anybody may write.
    """

    run_id: str
    base_version: int
    started_at_ms: int
    started_by: str
    host: str
    process_id: int
    process_started: str

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            if type(getattr(self, name)) is not kind:
                raise TypeError(f"{name} of a ticket must be {kind.__name__}")


_KINDS = get_type_hints(RunTicket)


def write_ticket(storage: Storage, job: str, ticket: RunTicket) -> None:
    """Open the run's folder."""
    with storage.create(_ticket_path(job, ticket.run_id)) as file:
        file.write(json.dumps(asdict(ticket), indent=2).encode() + b"\n")


def replace_ticket(storage: Storage, job: str, ticket: RunTicket) -> None:
    """Let the run's folder say that the run builds on another commit.

    Before it commits there: a sweep asks the ledger for the one number that the ticket tells. For a moment
    the folder has no ticket, and then only its age could make anyone remove it.
    """
    storage.delete(_ticket_path(job, ticket.run_id))
    write_ticket(storage, job, ticket)


def read_ticket(storage: Storage, job: str, run_id: str) -> RunTicket | None:
    """The ticket of a run's folder; None for none, another run's, or one that cannot be understood."""
    try:
        ticket = RunTicket(**json.loads(storage.read(_ticket_path(job, run_id))))
    except (PathNotFound, ValueError, TypeError):
        return None
    return ticket if ticket.run_id == run_id else None


def require_ticket(storage: Storage, job: str, run_id: str, task_host: str) -> None:
    """Raise ConfigError unless this process sees the folder that the driver opened."""
    if read_ticket(storage, job, run_id) is None:
        raise ConfigError(
            [
                f"job.destination: {storage.url} is not shared: {task_host} does not see what the driver"
                f" wrote there ({_ticket_path(job, run_id)}). Nothing was committed. Use hdfs://, or a file"
                " system that is mounted at the same place on every host."
            ]
        )


def _ticket_path(job: str, run_id: str) -> str:
    return f"{layout.run_folder(job, run_id)}/run.json"
