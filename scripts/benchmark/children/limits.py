"""What the parts of a load take alone: reading, writing, both at once. No loader can be faster than these.

raw-fetch     the loader's own fetches, whose bytes are thrown away
parquet-only  the same Arrow rows, decoded before and held in memory, through the loader's own sink
ideal         both at the same time, in two threads of each process: all of the work but decoding, as
              much overlapped as the machine can

Each in as many processes as the loader has, over the splits that it would make.
"""

import multiprocessing
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import pyarrow as pa

from benchmark.children.jobs import open_turn_job
from benchmark.children.serving import Load, Turn, serve
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.reader import RangeReader
from loader.kafka_source.settings import KafkaSettings
from loader.operations.plan import plan_load
from loader.records.decoder import decode
from loader.records.schema import RAW_SCHEMA
from loader.sink.topic_sink import TopicSink
from loader.storage.opening import open_storage
from loader.values import FetchedRecords, OffsetRange, Split

Rows = dict[str, list[tuple[OffsetRange, pa.RecordBatch]]]
"""By topic, in order."""


class _Worker:
    """One process's share: its splits, and their rows once they are held."""

    def __init__(self, kafka: KafkaSettings, topic_ids: dict[str, str], splits: list[Split]) -> None:
        self._kafka = kafka
        self._topic_ids = topic_ids
        self._splits = splits
        self._rows: list[Rows] = []

    def hold_rows(self) -> int:
        """Fetch and decode once; the rows stay in memory."""
        for split in self._splits:
            rows: Rows = {}
            positions: dict[OffsetRange, int] = {}
            for wanted, fetched in self._fetches(split):
                position = positions.get(wanted, wanted.start_offset)
                for decoded in decode(fetched, wanted, position, self._kafka.isolation):
                    positions[wanted] = decoded.next_offset
                    if decoded.rows.num_rows:
                        rows.setdefault(wanted.topic, []).append((wanted, decoded.rows))
            self._rows.append(rows)
        return sum(batch.num_rows for rows in self._rows for parts in rows.values() for _, batch in parts)

    def fetch(self) -> None:
        for split in self._splits:
            for _ in self._fetches(split):
                pass

    def write(self, turn: Turn) -> None:
        storage = open_storage(turn.output)
        config = open_turn_job(turn).config.write
        for split, rows in zip(self._splits, self._rows, strict=True):
            for topic, parts in rows.items():
                with TopicSink(
                    storage, "limit", topic, RAW_SCHEMA, config, f"{split.index}-{topic}", {}
                ) as sink:
                    for wanted, batch in parts:
                        sink.write(wanted, batch)
                    sink.close([])

    def _fetches(self, split: Split) -> Iterator[tuple[OffsetRange, FetchedRecords]]:
        with KafkaClient(self._kafka) as client:
            client.connect(round(self._kafka.stall_timeout_s * 1000))
            reader = RangeReader(client)
            for wanted in sorted(split.ranges):
                for fetched in reader.fetches(wanted, self._topic_ids[wanted.topic]):
                    assert isinstance(fetched, FetchedRecords)  # noqa: S101  loss is not allowed here
                    yield wanted, fetched


def _work(connection: Connection) -> None:
    worker: _Worker | None = None
    while True:
        try:
            what, argument = connection.recv()
        except EOFError:
            return
        try:
            if what == "splits":
                worker = _Worker(*argument)
                connection.send(0)
                continue
            assert worker is not None  # noqa: S101  splits come first
            if what == "hold":
                connection.send(worker.hold_rows())
            elif what == "raw-fetch":
                worker.fetch()
                connection.send(0)
            elif what == "parquet-only":
                worker.write(argument)
                connection.send(0)
            else:
                _both(worker.fetch, partial(worker.write, argument))
                connection.send(0)
        except Exception:
            connection.send(traceback.format_exc())


def _both(first: Callable[[], None], second: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            first()
        except BaseException as error:  # raised below
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    second()
    thread.join()
    if failures:
        raise failures[0]


def _prepare(options: dict[str, Any]) -> Load:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["loader.engine.preload"])
    ends: list[Connection] = []
    for _ in range(options["processes"]):
        ours, theirs = context.Pipe()
        context.Process(target=_work, args=(theirs,), daemon=True).start()
        theirs.close()
        ends.append(ours)
    held_for: list[str] = []

    def ask(what: str, arguments: list[Any]) -> int:
        for end, argument in zip(ends, arguments, strict=True):
            end.send((what, argument))
        answers = [end.recv() for end in ends]
        for answer in answers:
            if isinstance(answer, str):
                raise RuntimeError(answer)
        return sum(answers)

    def load_once(turn: Turn) -> dict[str, Any]:
        if held_for != [turn.workload]:
            job = open_turn_job(turn)
            plan = plan_load(job, None, len(ends))
            shares = [list(plan.splits[number :: len(ends)]) for number in range(len(ends))]
            ask("splits", [(job.kafka, dict(plan.topic_ids), share) for share in shares])
            if options["limit"] != "raw-fetch":
                ask("hold", [None] * len(ends))
            held_for[:] = [turn.workload]
        began_s = time.monotonic()
        ask(options["limit"], [turn] * len(ends))
        return {"rows": turn.row_count, "seconds": time.monotonic() - began_s}

    return load_once


if __name__ == "__main__":
    serve(_prepare)
