"""A schema registry that fails loses no record, makes none a bad one, and stops no topic that needs none."""

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from local_services.kafka import KafkaCluster
from local_services.ports import choose_ports
from local_services.registry import SchemaRegistry
from tests.conftest import NewTopicFunction
from tests.registry.scripted import Answer, missing, scripted

from .conftest import NewJobFunction
from .folders import Folder, published_paths
from .jobs import kafka_loader
from .producing import Message, messages, produce

AVRO = {"value": {"format": "avro"}, "max_bad_records": 3}
SCHEMA = json.dumps({"type": "record", "name": "Order", "fields": [{"name": "n", "type": "long"}]})
BRIEF = {"request_timeout_ms": 500, "give_up_after_s": 0.5}


def order(schema_id: int, number: int) -> Message:
    """In Confluent's wire format; numbers below 64 take one byte of Avro."""
    return Message(b"\0" + schema_id.to_bytes(4, "big") + bytes([2 * number]))


def registered(schema_id: int | None) -> Answer:
    document = {"schema": SCHEMA} if schema_id is None else {"schema": SCHEMA, "id": schema_id}
    return Answer(body=json.dumps(document).encode())


def rows(folder: Folder, topic: str) -> list[tuple[Any, int]]:
    """The number and the offset of each typed row."""
    paths = [path for path in published_paths(folder) if path.startswith(f"{topic}/")]
    tables = [pq.read_table(pa.BufferReader(folder.read(path))) for path in paths]
    return sorted((row["n"], row["kafka"]["offset"]) for table in tables for row in table.to_pylist())


def quarantined(folder: Folder) -> list[tuple[int, int, str]]:
    """Offset, schema id and what is wrong of each record in the quarantine."""
    paths = [path for path in folder.paths() if path.startswith("_quarantine/")]
    tables = [pq.read_table(pa.BufferReader(folder.read(path))) for path in paths]
    bad = [row for table in tables for row in table.to_pylist()]
    return [(row["offset"], row["schema_id"], row["error_class"]) for row in bad]


def test_a_registry_that_is_down_holds_back_the_topics_that_need_it_until_it_is_there(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, registry: SchemaRegistry
) -> None:
    plain, typed = new_topic(), new_topic()
    schema_id = registry.register(f"{typed}-value", SCHEMA)
    produce(kafka, plain, messages(10))
    produce(kafka, typed, [order(schema_id, number) for number in range(10)])
    gone = f"http://127.0.0.1:{choose_ports(1)[0]}"
    job = new_job(plain, {"name": typed, **AVRO}, registry={"url": gone, **BRIEF})

    ended = job.try_run()

    assert ended.status == 3
    assert [
        (topic, [each["kind"] for each in told]) for topic, told in ended.document["failures"].items()
    ] == [(typed, ["RegistryUnavailable"])]
    assert gone in ended.errors
    assert {path.split("/")[0] for path in published_paths(job.folder)} == {plain}

    job.config.write_text(job.config.read_text().replace(gone, registry.url))
    job.run()

    assert rows(job.folder, typed) == [(number, number) for number in range(10)]
    assert quarantined(job.folder) == []
    assert kafka_loader("verify", str(job.config)).status == 0


def test_a_registry_that_goes_down_under_a_task_is_run_again_and_a_missing_id_is_a_bad_record(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, [order(4, 0), order(5, 1), order(4, 2), order(6, 3), order(5, 4), order(6, 5)])
    is_down = True

    def answer(path: str) -> Answer:
        if path.startswith("/schemas/ids/"):
            # Not among the versions that the driver lists, as when it was registered since.
            return (
                Answer(503, b"") if is_down else registered(None) if path.endswith("/5") else missing(40403)
            )
        return registered(4) if path.endswith("/versions/1") else Answer(body=b"[1]")

    with scripted(answer) as registry:
        job = new_job({"name": topic, **AVRO}, registry={"url": registry.url, **BRIEF})

        ended = job.try_run()

        assert ended.status == 3
        assert [each["kind"] for each in ended.document["failures"][topic]] == ["RegistryUnavailable"]
        assert published_paths(job.folder) == []
        assert quarantined(job.folder) == []

        is_down = False
        asked = len(registry.paths)
        job.run()

        assert rows(job.folder, topic) == [(0, 0), (1, 1), (2, 2), (4, 4)]
        assert quarantined(job.folder) == [(3, 6, "unknown-schema-id"), (5, 6, "unknown-schema-id")]
        assert registry.paths[asked:] == [
            f"/subjects/{topic}-value/versions",
            f"/subjects/{topic}-value/versions/1",
            "/schemas/ids/5",
            "/schemas/ids/6",
        ]
