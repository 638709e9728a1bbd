"""Files of three generations are one table for DuckDB, Spark and pyarrow, and each row says what it said."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from loader.commits.log import CommitLog
from loader.config.output import WriteConfig
from loader.errors import ConfigError, SchemaChanged
from loader.formats.arrow_types import schema_of
from loader.formats.protocol import NoSchemas
from loader.formats.record_formatter import RecordFormatter
from loader.formats.table_columns import with_table_columns
from loader.formats.topic_format import TopicFormat
from loader.records.schema import RAW_SCHEMA
from loader.sink.topic_sink import TopicSink
from loader.storage.local import LocalStorage
from loader.tables.footers import read_footer
from loader.tables.table_schema import spark_ddl, table_schema
from loader.values import DataFile, OffsetRange
from loader.values.column_types import StructType, parse_type
from tests.commits.examples import JOB, a_commit
from tests.formats.examples import Fields, raw_rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HOUR = datetime(2026, 11, 22, 10, tzinfo=UTC)

GENERATIONS: list[tuple[str, list[dict[str, Any] | None]]] = [
    (
        "id: int, price: float, items: list<struct<sku: string>>, buyer: struct<id: int>",
        [{"id": 1, "price": 1.5, "items": [{"sku": "a"}, None], "buyer": {"id": 7}}, None],
    ),
    (
        "id: int, price: float, name: string, items: list<struct<sku: string>>, buyer: struct<id: int>",
        [{"id": -2, "price": 0.25, "name": "Ada", "items": [], "buyer": None}],
    ),
    (
        "id: long, price: double, name: string, items: list<struct<sku: string, n: long>>,"
        " buyer: struct<id: long, city: string>",
        [
            {
                "id": 2**40,
                "price": 0.1,
                "name": None,
                "items": [{"sku": "b", "n": 2**40}],
                "buyer": {"id": 2**40, "city": "Oslo"},
            }
        ],
    ),
    # One of the first producers has not heard of it: narrower types, and columns that are gone.
    ("id: int, buyer: struct<id: int>", [{"id": 4, "buyer": {"id": 9}}]),
]

ROWS = [
    {
        "id": 1,
        "price": 1.5,
        "items": [{"sku": "a", "n": None}, None],
        "buyer": {"id": 7, "city": None},
        "name": None,
    },
    {"id": None, "price": None, "items": None, "buyer": None, "name": None},
    {"id": -2, "price": 0.25, "items": [], "buyer": None, "name": "Ada"},
    {
        "id": 2**40,
        "price": 0.1,
        "items": [{"sku": "b", "n": 2**40}],
        "buyer": {"id": 2**40, "city": "Oslo"},
        "name": None,
    },
    {"id": 4, "price": None, "items": None, "buyer": {"id": 9, "city": None}, "name": None},
]
NAMES = ["id", "price", "items", "buyer", "name"]


def columns(text: str) -> StructType:
    found = parse_type(f"struct<{text}>")
    assert isinstance(found, StructType)
    return found


def load(
    storage: LocalStorage, name: str, topic_format: TopicFormat, values: Sequence[Any], first: int
) -> list[DataFile]:
    """Write rows as a task does, and publish them."""
    formatter = RecordFormatter("orders", topic_format, NoSchemas(), "run-a")
    good, bad = formatter.format(raw_rows(values, [HOUR] * len(values), first=first))
    assert bad is None
    facts = {
        "job": JOB,
        "job_id": "j-1",
        "cluster_id": "c-1",
        "run_id": name,
        "topic": "orders",
        "topic_id": "t-1",
    }
    provenance = {f"loader.{key}": value for key, value in facts.items()}
    with TopicSink(storage, "staged", "orders", formatter.schema, WriteConfig(), name, provenance) as sink:
        sink.write(OffsetRange("orders", 0, 0, 1000), good)
        files = sink.close(())
    for file in files:
        storage.make_folder(file.path.rpartition("/")[0])
        storage.move(f"staged/{file.staged_name}", file.path)
    return list(files)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> LocalStorage:
    """Orders of four loads of three generations, and a ledger that has the columns of the last."""
    storage = LocalStorage(tmp_path_factory.mktemp("generations"))
    known: StructType | None = None
    offset = 0
    for number, (text, values) in enumerate(GENERATIONS):
        fields = Fields(pa.struct(list(schema_of(columns(text)))))
        topic_format = with_table_columns("orders", TopicFormat(value=fields), known)
        load(storage, f"a{number}-0", topic_format, values, offset)
        known, offset = topic_format.columns, offset + len(values)
    assert known is not None
    commit = replace(a_commit(), columns={"orders": known})
    CommitLog(storage, JOB).append(commit)
    return storage


def folder(storage: LocalStorage) -> str:
    return storage.url.removeprefix("file://") + "/orders"


def test_the_ledger_tells_one_schema_of_all_files(storage: LocalStorage) -> None:
    schema = table_schema(storage, JOB, "orders")

    assert schema.names == [*NAMES, "kafka"]
    assert schema.field("id").type == pa.int64()
    assert schema.field("price").type == pa.float64()
    assert schema.field("buyer").type == pa.struct([("id", pa.int64()), ("city", pa.string())])


def test_pyarrow_reads_them_by_that_schema(storage: LocalStorage) -> None:
    schema = table_schema(storage, JOB, "orders")

    table = ds.dataset(folder(storage), schema=schema, format="parquet").to_table()

    rows = sorted(table.to_pylist(), key=lambda row: row["kafka"]["offset"])
    assert table.schema == schema
    assert [{name: row[name] for name in NAMES} for row in rows] == ROWS
    assert [row["kafka"]["offset"] for row in rows] == list(range(5))


def test_duckdb_unites_them_by_name(storage: LocalStorage) -> None:
    files = duckdb.read_parquet(f"{folder(storage)}/*/*/*.parquet", union_by_name=True)

    table = files.order("kafka.offset").project(", ".join(NAMES)).to_arrow_table()

    assert table.schema.field("id").type == pa.int64()
    assert table.schema.field("price").type == pa.float64()
    assert table.to_pylist() == ROWS


def test_spark_reads_them_by_that_schema(storage: LocalStorage, spark: "SparkSession") -> None:
    ddl = spark_ddl(table_schema(storage, JOB, "orders"))

    frame = spark.read.schema(ddl).parquet("file://" + folder(storage)).orderBy("kafka.offset")

    assert [row.asDict(recursive=True) for row in frame.select(*NAMES).collect()] == ROWS
    assert [row.offset for row in frame.select("kafka.offset").collect()] == list(range(5))
    assert frame.select("dt").distinct().count() == 1


def test_each_file_tells_the_columns_of_its_own_day(storage: LocalStorage) -> None:
    paths = sorted(
        entry.path
        for entry in storage.list("orders/dt=2026-11-22/hour=10")
        if entry.path.endswith(".parquet")
    )

    told = [read_footer(storage, path, storage.status(path).size_bytes) for path in paths]

    first, second, third, fourth = [each.columns for each in told if each is not None]
    assert first is not None
    assert second is not None
    assert [name for name, _ in first.fields] == ["id", "price", "items", "buyer", "kafka"]
    assert [name for name, _ in second.fields] == ["id", "price", "items", "buyer", "name", "kafka"]
    assert third == fourth
    assert schema_of(third) == table_schema(storage, JOB, "orders") if third else False


def test_a_generation_that_no_column_holds_is_refused_with_the_ids_of_its_schemas(
    storage: LocalStorage,
) -> None:
    newest = CommitLog(storage, JOB).newest()
    assert newest is not None
    fields = Fields(pa.struct([("buyer", pa.struct([("id", pa.string())]))]))

    with pytest.raises(
        SchemaChanged, match=r"orders: column buyer\.id \(schema id 12\): was long and is string"
    ):
        with_table_columns("orders", TopicFormat(value=fields, schema_ids=(12,)), newest.columns["orders"])


def test_a_key_grows_as_a_value_does() -> None:
    narrow, wide = (Fields(pa.struct([("id", each)])) for each in (pa.int32(), pa.int64()))
    before = with_table_columns("orders", TopicFormat(value=narrow, key=narrow), None)

    after = with_table_columns("orders", TopicFormat(value=wide, key=wide, keep_value=True), before.columns)

    assert after.columns is not None
    kafka = schema_of(after.columns).field("kafka").type
    assert kafka.field("key").type == pa.struct([("id", pa.int64())])
    assert kafka.field("value").type == pa.binary()


def test_a_raw_topic_has_the_columns_of_kafka_and_one_that_was_never_loaded_none(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    with pytest.raises(ConfigError, match="job orders has loaded nothing of orders into file://"):
        table_schema(storage, JOB, "orders")

    CommitLog(storage, JOB).append(a_commit())

    assert table_schema(storage, JOB, "orders") == RAW_SCHEMA
    with pytest.raises(ConfigError, match="nothing of clicks"):
        table_schema(storage, JOB, "clicks")


EVERY_TYPE = (
    "a: boolean, b: int, c: long, d: float, e: double, f: string, g: binary, h: date, i: time, j: timestamp,"
    " k: timestamp_ntz, l: decimal(10, 2), m: list<decimal(38, 0)>, n: map<string, list<date>>,"
    " `o ``p`: struct<`q.r`: long>"
)


def test_spark_reads_a_column_of_every_type(tmp_path: Path, spark: "SparkSession") -> None:
    schema = schema_of(columns(EVERY_TYPE))
    moment = HOUR.replace(tzinfo=None)
    values: dict[str, Any] = {
        "a": True,
        "b": 1,
        "c": 2,
        "d": 0.5,
        "e": 0.25,
        "f": "é",
        "g": b"\x00",
        "h": date(2026, 11, 22),
        "i": moment.time(),
        "j": HOUR,
        "k": moment,
        "l": Decimal("1.25"),
        "m": [Decimal(10**37), None],
        "n": {"x": [date(1969, 1, 1)]},
        "o `p": {"q.r": 3},
    }
    row = {**values, "n": list(values["n"].items())}
    pa.parquet.write_table(pa.Table.from_pylist([row], schema), tmp_path / "all.parquet", store_schema=False)

    [found] = spark.read.schema(spark_ddl(schema)).parquet(f"file://{tmp_path}").collect()

    assert found.asDict(recursive=True) == {
        **values,
        "g": bytearray(b"\x00"),
        "i": 10 * 3600 * 1_000_000,
        "j": moment,
    }
