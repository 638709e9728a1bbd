"""The raw schema, against that of Spark's Kafka source with includeHeaders (KafkaRecordToRowConverter)."""

import io

import pyarrow as pa
import pyarrow.parquet as pq

from loader.records.schema import RAW_SCHEMA


def test_the_columns_are_those_of_sparks_kafka_source() -> None:
    assert {field.name: str(field.type) for field in RAW_SCHEMA} == {
        "key": "binary",
        "value": "binary",
        "topic": "string",
        "partition": "int32",
        "offset": "int64",
        "timestamp": "timestamp[us, tz=UTC]",
        "timestampType": "int32",
        "headers": "list<element: struct<key: string, value: binary>>",
    }
    assert all(field.nullable for field in RAW_SCHEMA)


def test_parquet_holds_headers_as_a_list_that_every_reader_knows() -> None:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_batches([], RAW_SCHEMA), file)

    paths = [pq.read_metadata(file).schema.column(i).path for i in range(9)]

    assert paths[-2:] == ["headers.list.element.key", "headers.list.element.value"]
