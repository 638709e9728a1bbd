"""Workloads in Kafka: produced once, remembered, and found again by what the broker says of them."""

import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from confluent_kafka import IsolationLevel, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec  # type: ignore[attr-defined]

from benchmark.checks import Fingerprint, fingerprint_of_table, require_same
from benchmark.encodings import text_reader
from benchmark.errors import BenchmarkError
from benchmark.reference import read_fingerprint
from benchmark.values import SEED, Chunk
from benchmark.workloads import ABORTED_EVERY, TRANSACTION_RECORDS, Workload
from local_services.kafka import KafkaCluster

PRODUCER_SETTINGS = {
    "linger.ms": 50,
    "batch.size": 65_536,
    "enable.idempotence": True,
    "queue.buffering.max.messages": 1_000_000,
    "queue.buffering.max.kbytes": 1_000_000,
    "log_level": 0,
}
"""Of librdkafka. Batches of 64 KiB are what topics with much traffic have."""

_FLUSH_S = 120.0
_TOPICS_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class ReadyWorkload:
    """A workload that is in Kafka.

    ends       of read_committed consumers, by topic and partition
    reference  what an independent client read
    """

    workload: Workload
    bootstrap_servers: str
    ends: dict[str, list[int]]
    reference: Fingerprint

    def as_document(self) -> dict[str, Any]:
        """What a competitor has to know."""
        return {
            "format": self.workload.encoding if self.workload.is_typed else "raw",
            "name": self.workload.name,
            "bootstrap_servers": self.bootstrap_servers,
            "ends": self.ends,
            "row_count": self.reference.count,
        }


def ready_workload(
    kafka: KafkaCluster, workload: Workload, memory: Path, say: Callable[[str], None]
) -> ReadyWorkload:
    """The workload, produced now unless Kafka holds all of it. `memory` is the file that remembers it."""
    key = {"signature": workload.signature, "seed": SEED, "duckdb": duckdb.__version__}
    known = _remembered(memory).get(workload.source)
    address = kafka.bootstrap_servers
    if known is not None and known["key"] == key and _ends(address, workload) == known["ends"]:
        return ReadyWorkload(workload, address, known["ends"], Fingerprint.of_document(known["reference"]))
    began_s = time.monotonic()
    _create_topics(address, workload)
    if workload.is_transactional:
        expected = _produce_in_transactions(address, workload)
    else:
        expected = _produce(address, workload)
    produced_s = time.monotonic() - began_s
    ends = _settled_ends(address, workload)
    found = read_fingerprint(address, ends)
    if (found.count, found.values) != (expected.count, expected.values):
        require_same(found, expected, f"the independent client that read {workload.name}")
    if workload.encoding != "json" or workload.broken_every:
        found = read_fingerprint(address, ends, text_reader(workload.encoding))
    entry = {"key": key, "ends": ends, "reference": found.as_document()}
    memory.write_text(json.dumps({**_remembered(memory), workload.source: entry}))
    say(
        f"{workload.source}: {workload.record_count:,} records produced in {produced_s:.0f} s, read back in"
        f" {time.monotonic() - began_s - produced_s:.0f} s"
    )
    return ReadyWorkload(workload, address, ends, found)


def _remembered(memory: Path) -> dict[str, Any]:
    return dict(json.loads(memory.read_text())) if memory.exists() else {}


def _produce(address: str, workload: Workload) -> Fingerprint:
    """Send all; what the values amount to."""
    producer = Producer(
        {"bootstrap.servers": address, "compression.type": workload.codec, **PRODUCER_SETTINGS}
    )
    values = _Values()
    for chunk in workload.chunks():
        _send(producer, chunk)
        values.add(chunk)
    _flush(producer)
    return values.fingerprint()


def _produce_in_transactions(address: str, workload: Workload) -> Fingerprint:
    """Send all; what the values of the committed transactions amount to."""
    settings = {"compression.type": workload.codec, "transactional.id": f"benchmark-{workload.name}"}
    producer = Producer({"bootstrap.servers": address, **PRODUCER_SETTINGS, **settings, "linger.ms": 5})
    producer.init_transactions(60)
    values = _Values()
    for number, chunks in enumerate(_transactions(workload)):
        producer.begin_transaction()
        for chunk in chunks:
            _send(producer, chunk)
        _flush(producer)  # what is not sent yet when a transaction is aborted, never reaches the log
        if number % ABORTED_EVERY == ABORTED_EVERY - 1:
            producer.abort_transaction(60)
        else:
            producer.commit_transaction(60)
            for chunk in chunks:
                values.add(chunk)
    return values.fingerprint()


def _transactions(workload: Workload) -> Iterator[list[Chunk]]:
    waiting: list[Chunk] = []
    for chunk in workload.chunks():
        waiting.append(chunk)
        if sum(len(each.values) for each in waiting) >= TRANSACTION_RECORDS:
            yield waiting
            waiting = []


class _Values:
    """What values amount to, summed up a few hundred thousand at a time."""

    def __init__(self) -> None:
        self._total = Fingerprint(0, 0, 0, 0)
        self._waiting: list[list[bytes]] = []

    def add(self, chunk: Chunk) -> None:
        self._waiting.append(chunk.values)
        if sum(map(len, self._waiting)) * len(chunk.values[0]) >= 32_000_000:
            self._sum_up()

    def fingerprint(self) -> Fingerprint:
        """Of values only: where they are is Kafka's to say."""
        self._sum_up()
        return self._total

    def _sum_up(self) -> None:
        values = [pa.array(each, pa.binary()) for each in self._waiting]
        if not values:
            return
        count = sum(map(len, values))
        nowhere = {
            "topic": pa.nulls(count, pa.string()),
            "partition": pa.nulls(count, pa.int32()),
            "offset": pa.nulls(count, pa.int64()),
        }
        self._total += fingerprint_of_table(pa.table({**nowhere, "value": pa.chunked_array(values)}))
        self._waiting = []


def _send(producer: Producer, chunk: Chunk) -> None:
    # Not by produce_batch(): it takes no timestamps.
    produce, topic, partition = producer.produce, chunk.topic, chunk.partition
    give_up = time.monotonic() + _FLUSH_S
    keys: Iterable[bytes | None] = itertools.repeat(None) if chunk.keys is None else chunk.keys
    for value, key, time_ms in zip(chunk.values, keys, chunk.timestamps_ms, strict=False):
        while True:
            try:
                produce(topic, value, key, partition, timestamp=time_ms)
                break
            except BufferError:  # as much waits as memory is allowed for
                producer.poll(0.05)
                if time.monotonic() > give_up:
                    raise BenchmarkError(f"{topic}: Kafka took no records for {_FLUSH_S:g} s") from None
    producer.poll(0)


def _flush(producer: Producer) -> None:
    if producer.flush(_FLUSH_S):
        raise BenchmarkError(f"Kafka did not take all records within {_FLUSH_S:g} s: see its log")


def _create_topics(address: str, workload: Workload) -> None:
    """New, empty topics, in the place of older ones of the same names."""
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    old = [name for name in workload.topics if name in admin.list_topics(timeout=30).topics]
    if old:
        for future in admin.delete_topics(old, operation_timeout=60).values():
            future.result()
    create_topics(admin, dict.fromkeys(workload.topics, workload.partitions))


def create_topics(admin: Any, partitions: dict[str, int], deadline_s: float = 180) -> None:
    """Create topics, and return when every partition has a leader."""
    give_up = time.monotonic() + deadline_s
    names = list(partitions)
    for at in range(0, len(names), _TOPICS_AT_ONCE):
        wanted = names[at : at + _TOPICS_AT_ONCE]
        while wanted:
            topics = [
                NewTopic(name, num_partitions=partitions[name], replication_factor=1) for name in wanted
            ]
            refused: dict[str, Exception] = {}
            for name, future in admin.create_topics(topics, operation_timeout=60).items():
                try:
                    future.result()
                except KafkaException as error:  # a deleted topic of that name may not be gone yet
                    refused[name] = error
            wanted = list(refused)
            if wanted and time.monotonic() > give_up:
                raise BenchmarkError(f"Kafka does not create {wanted[0]}: {refused[wanted[0]]}")
            if wanted:
                time.sleep(0.2)
    while True:
        known = admin.list_topics(timeout=60).topics
        ready = all(
            name in known
            and len(known[name].partitions) == count
            and all(partition.leader >= 0 for partition in known[name].partitions.values())
            for name, count in partitions.items()
        )
        if ready:
            return
        if time.monotonic() > give_up:
            raise BenchmarkError(f"not every partition has a leader after {deadline_s:g} s: see Kafka's log")
        time.sleep(0.1)


def _settled_ends(address: str, workload: Workload, deadline_s: float = 60) -> dict[str, list[int]]:
    """Where read_committed ends, once no transaction is open: markers are written after a commit returns."""
    give_up = time.monotonic() + deadline_s
    while True:
        stable = _ends(address, workload)
        if stable is not None and stable == _ends(address, workload, IsolationLevel.READ_UNCOMMITTED):
            return stable
        if time.monotonic() > give_up:
            raise BenchmarkError(f"{workload.name}: a transaction is still open after {deadline_s:g} s")
        time.sleep(0.1)


def _ends(
    address: str, workload: Workload, isolation: IsolationLevel = IsolationLevel.READ_COMMITTED
) -> dict[str, list[int]] | None:
    """By topic, the end offset of each partition; None when a topic is not there, or has other partitions."""
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    known = admin.list_topics(timeout=30).topics
    if any(len(known[name].partitions) != workload.partitions for name in workload.topics if name in known):
        return None
    if any(name not in known for name in workload.topics):
        return None
    latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    places = [TopicPartition(name, part) for name in workload.topics for part in range(workload.partitions)]
    ends: dict[str, list[int]] = {name: [0] * workload.partitions for name in workload.topics}
    give_up = time.monotonic() + 60
    while places:
        answers = admin.list_offsets(dict.fromkeys(places, latest), isolation_level=isolation)
        for place, future in answers.items():
            try:
                ends[place.topic][place.partition] = int(future.result(timeout=60).offset)
                places.remove(place)
            except KafkaException:  # a broker that has just started leads its partitions one after another
                if time.monotonic() > give_up:
                    raise
    return ends
