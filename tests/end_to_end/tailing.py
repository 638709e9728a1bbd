"""Reading on by the operation behind `tail`."""

from loader.operations.live.tail import Tail
from loader.operations.live.tail_records import TailRecord

from .producing import wait_until


def take(source: Tail, count: int) -> list[TailRecord]:
    """The next records, at least this many, each told to be shown before more are asked for."""
    found: list[TailRecord] = []

    def are_there() -> bool:
        records = source.next() or []
        source.shown(records)
        found.extend(records)
        return len(found) >= count

    wait_until(are_there, f"{count} records")
    return found
