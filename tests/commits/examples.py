"""Commits, staged files and tickets as runs make them; and storages that misbehave."""

import hashlib
from collections.abc import Callable
from typing import Any, cast

from loader.commits.record import Commit
from loader.commits.runs import RunTicket, write_ticket
from loader.storage import Storage
from loader.values import (
    DataFile,
    LoadedRange,
    OffsetRange,
    PartitionPosition,
    Position,
    RangeCounts,
    TopicPosition,
    layout,
)

JOB = "orders"
JOB_ID = "j-1"


def a_commit(version: int = 1, run_id: str = "run-a", files: tuple[DataFile, ...] = ()) -> Commit:
    start, end = 10 * (version - 1), 10 * version
    return Commit(
        version=version,
        run_id=run_id,
        job_id=JOB_ID,
        operation="load",
        committed_at_ms=1_763_800_000_000 + version,
        committed_by="ann@host",
        loader_version="0.1.0",
        cluster_id="c-1",
        position=Position({"orders": TopicPosition("t-1", {0: PartitionPosition(end, 4)})}),
        ranges=(LoadedRange(OffsetRange("orders", 0, start, end), RangeCounts(row_count=10), 4, 512),),
        files=files,
    )


def a_file(name: str = "a") -> DataFile:
    """What `stage` stages."""
    return DataFile(
        path=f"orders/dt=2026-11-22/hour=10/{name}.parquet",
        staged_name=f"{name}.parquet",
        size_bytes=len(content_of(name)),
        row_count=10,
        ranges=(OffsetRange("orders", 0, 0, 10),),
        min_timestamp_ms=1,
        max_timestamp_ms=2,
    )


def content_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest() * 3


def stage(storage: Storage, run_id: str, *names: str) -> tuple[DataFile, ...]:
    """Open a run's folder and stage a file of each name."""
    write_ticket(storage, JOB, a_ticket(run_id))
    for name in names:
        write(storage, f"{layout.run_folder(JOB, run_id)}/{name}.parquet", content_of(name))
    return tuple(map(a_file, names))


def a_ticket(run_id: str = "run-a", base_version: int = 0) -> RunTicket:
    return RunTicket(
        run_id=run_id,
        base_version=base_version,
        started_at_ms=1,
        started_by="ann@host",
        host="host",
        process_id=1,
        process_started="1",
    )


def write(storage: Storage, path: str, data: bytes) -> None:
    with storage.create(path) as file:
        file.write(data)


def disturbed(storage: Storage, **methods: Callable[..., Any]) -> Storage:
    """`storage`, but for these methods."""

    class Disturbed:
        def __getattr__(self, name: str) -> Any:
            return methods.get(name) or getattr(storage, name)

    return cast(Storage, Disturbed())
