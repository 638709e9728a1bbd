"""Avro of several schema ids in one range becomes one table, as fastavro reads it; a file in each folder."""

import io
import json
from collections.abc import Callable
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq

from local_services.kafka import KafkaCluster
from local_services.registry import SchemaRegistry
from tests.conftest import NewTopicFunction
from tests.formats.avro.decoding import record
from tests.formats.avro.plain_avro import encode, framed

from .conftest import NewJobFunction
from .folders import published_paths
from .jobs import kafka_loader
from .producing import HOUR_MS, T0_MS, Message, produce

ADDRESS = record(zip="string") | {"name": "shop.Address"}
STATUS = {"type": "enum", "name": "shop.Status", "symbols": ["NEW", "PAID"]}
FIRST = record(id="int", amount="float", note="string") | {"name": "shop.Order"}
SECOND = record(id="long", amount="double", status=STATUS) | {"name": "shop.Order"}
SECOND["fields"][2]["default"] = "NEW"
NEWEST = {
    **SECOND,
    "fields": [
        {"name": "number", "aliases": ["id"], "type": "long"},
        *SECOND["fields"][1:],
        {"name": "to", "type": ["null", "shop.Address"], "default": None},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": ["none"]},
    ],
}
VALUES: list[Callable[[int], Any]] = [
    lambda number: {"id": number, "amount": number / 4, "note": f"note {number}"},
    lambda number: {"id": 2**40 + number, "amount": number / 10, "status": "PAID"},
    lambda number: {
        "number": -number,
        "amount": 1e300,
        "status": "NEW",
        "to": {"zip": f"{number:05}"} if number % 2 else None,
        "tags": ["a", "ž"][: number % 3],
    },
]


def test_records_of_several_schema_ids_are_one_table_as_fastavro_reads_them(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, registry: SchemaRegistry
) -> None:
    topic = new_topic()
    subject = f"{topic}-value"
    registry.register(f"{topic}-address", json.dumps(ADDRESS))
    references = [("shop.Address", f"{topic}-address", 1)]
    ids = [
        registry.register(subject, json.dumps(FIRST)),
        registry.register(subject, json.dumps(SECOND)),
        registry.register(subject, json.dumps(NEWEST), references=references),
    ]
    key_id = registry.register(f"{topic}-key", json.dumps("long"))
    named: dict[str, Any] = {}
    fastavro.parse_schema(ADDRESS, named)  # which notes it there
    schemas = [fastavro.parse_schema(each, dict(named)) for each in (FIRST, SECOND, NEWEST)]
    sent, expected = [], []
    for number in range(30):
        version = number * 7 % 3
        octets = encode(schemas[version], VALUES[version](number))
        timestamp_ms = T0_MS + (number % 2) * HOUR_MS
        key = framed(key_id, encode("long", number))
        sent.append(Message(framed(ids[version], octets), key, timestamp_ms=timestamp_ms))
        newest = read_as(schemas[2], schemas[version], octets)
        old = read_as(schemas[0], schemas[0], octets) if version == 0 else {}
        expected.append((number, number, {**newest, "note": old.get("note")}))
    sent += [Message(None, framed(key_id, b"\x02")), Message(framed(ids[0], b"\x02"))]
    produce(kafka, topic, sent)
    avro = {"format": "avro"}
    job = new_job(
        {"name": topic, "value": avro, "key": avro, "max_bad_records": 1}, registry={"url": registry.url}
    )

    job.run()

    paths = [path for path in published_paths(job.folder) if path.startswith(f"{topic}/")]
    assert len(paths) == len({path.rpartition("/")[0] for path in paths}) == 2
    tables = [pq.read_table(pa.BufferReader(job.folder.read(path))) for path in paths]
    assert tables[0].schema.equals(tables[1].schema)
    names = ["number", "amount", "status", "to", "tags", "note"]
    assert tables[0].column_names == [*names, "kafka"]
    found = [row for table in tables for row in table.to_pylist()]
    nothing = (30, 1, dict.fromkeys(names))
    assert sorted(
        ((row["kafka"]["offset"], row["kafka"]["key"], {name: row[name] for name in names}) for row in found),
        key=lambda row: row[0],
    ) == [*expected, nothing]
    bad_paths = [path for path in job.folder.paths() if path.startswith(f"_quarantine/{topic}/")]
    (bad,) = [pq.read_table(pa.BufferReader(job.folder.read(path))) for path in bad_paths]
    assert bad.select(["offset", "format", "schema_id", "error_class"]).to_pylist() == [
        {"offset": 31, "format": "avro", "schema_id": ids[0], "error_class": "truncated"}
    ]
    assert kafka_loader("verify", str(job.config)).status == 0


def read_as(reader: Any, writer: Any, octets: bytes) -> Any:
    """As fastavro resolves it."""
    return fastavro.schemaless_reader(io.BytesIO(octets), writer, reader)
