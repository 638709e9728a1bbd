"""SQL, pandas, Spark and pyarrow see the rows of one commit: all of them, each once, in all columns."""

import csv
import datetime
import io
import itertools
import json
import math
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from loader.commits.log import CommitLog
from loader.commits.publish import publish
from loader.commits.record import Commit
from loader.errors import SnapshotGone, UnknownTable
from loader.operations.listening import Step
from loader.storage.opening import open_storage
from loader.storage.protocol import Storage
from loader.tables import open_tables, query
from loader.tables.snapshot import Snapshot, read_snapshot
from loader.tables.tables import Table
from loader.values import DataFile, layout
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .conftest import InterruptFunction, NewFolderFunction, NewJobFunction
from .folders import LocalFolder, published_paths, staged_paths
from .jobs import REPOSITORY, Ended, Job, kafka_loader, run_python, write_config
from .producing import HOUR_MS, T0_MS, Message, messages, produce, produce_oddly

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LARGE = 5_000_000_000
"""Beyond an int."""

TYPED, RAW, HIDDEN = "query-flights", "query.orders.v1", "_query-hidden"
DAY = datetime.date(2024, 2, 29)


@dataclass(frozen=True, slots=True)
class World:
    """A job with all that makes reading hard, loaded once for the tests that only read."""

    job: Job

    def ask(self, *arguments: str) -> Ended:
        """Run `kafka-loader query`."""
        return kafka_loader("query", str(self.job.config), *arguments)


@pytest.fixture(scope="module")
def world(kafka: KafkaCluster, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Columns that grew and widened, two layouts of folders, a replay, odd names, a record without a time."""
    folder = LocalFolder(tmp_path_factory.mktemp("query") / "data [a] {b}")
    config = folder.path.parent / "orders.toml"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})
    for future in admin.create_topics([NewTopic(name, 1, 1) for name in (TYPED, RAW, HIDDEN)]).values():
        future.result(timeout=30)
    job = Job(config, folder)

    def configure(columns: Mapping[str, str], partition_by: str) -> None:
        value = {"format": "json", "columns": columns}
        topics = ({"name": TYPED, "value": value, "max_bad_records": 0.9}, {"name": RAW}, {"name": HIDDEN})
        sections = {
            "kafka": {"bootstrap_servers": kafka.bootstrap_servers.split(",")},
            "write": {"partition_by": partition_by},
        }
        write_config(config, {"name": "orders", "destination": folder.url}, topics, sections)

    configure({"n": "int", "part": "struct<a: int>"}, "hour")
    produce(kafka, TYPED, [Message(b'{"n": 1}'), Message(b'{"n": %d}' % LARGE), Message(b"{broken")])
    produce(kafka, RAW, [Message(b"caf\xc3\xa9"), Message(b"\xff", timestamp_ms=T0_MS + HOUR_MS)])
    produce(kafka, HIDDEN, [Message(b"hidden")])
    job.run()
    grown = {"n": "long", "part": "struct<a: long, b: string>", "late": "double"}
    configure(grown, "day")
    produce(kafka, TYPED, [Message(b'{"n": 4, "part": {"a": %d, "b": "x"}, "late": 2.5}' % LARGE)])
    produce_oddly(kafka, RAW, [Message(b"of no time", timestamp_ms=-1)])
    job.run()
    configure(grown, "hour")  # narrow and wide columns in folders of one layout
    assert kafka_loader("quarantine", "replay", str(config)).status == 0
    return World(job)


def typed_rows() -> list[dict[str, Any]]:
    """What TYPED holds: offset 2 waits in the quarantine."""
    parts = {3: {"a": LARGE, "b": "x"}}
    return [
        {
            "n": n,
            "part": parts.get(offset),
            "late": late,
            "offset": offset,
            "dt": DAY,
            "hour": hour,
        }
        for offset, n, late, hour in ((0, 1, None, 10), (1, LARGE, None, 10), (3, 4, 2.5, None))
    ]


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a typed row that `typed_rows` tells."""
    told = {name: row[name] for name in ("n", "part", "late", "dt", "hour")}
    return {**told, "offset": row["kafka"]["offset"]}


def by_offset(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: row["offset"])


def as_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """As pyarrow gives them: pandas has several nulls, and arrays where Arrow has lists."""

    def plain(value: Any) -> Any:
        if (
            value is None
            or value is pd.NA
            or value is pd.NaT
            or (isinstance(value, float) and math.isnan(value))
        ):
            return None
        if isinstance(value, dict):
            return {name: plain(each) for name, each in value.items()}
        return value

    return [{str(name): plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


READERS: Mapping[str, Callable[[Table], list[dict[str, Any]]]] = {
    "pyarrow": lambda table: table.to_arrow().to_pylist(),
    "pandas": lambda table: as_rows(table.to_pandas()),
    "duckdb": lambda table: table.tables.query(f'FROM "{table.name}"').to_pylist(),
    "duckdb-connection": lambda table: (
        table.tables.to_duckdb().sql(f'FROM "{table.name}"').to_arrow_table().to_pylist()
    ),
}


def spark_rows(table: Table, spark: "SparkSession") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_spark(spark).toArrow().to_pylist()
    return rows


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_gives_columns_that_grew_of_all_files_and_rows_of_a_replay(
    world: World, reader: str
) -> None:
    rows = READERS[reader](open_tables(world.job.config)[TYPED])

    assert by_offset([flat(row) for row in rows]) == typed_rows()


def test_spark_gives_the_rows_and_types_that_the_others_give(world: World, spark: "SparkSession") -> None:
    tables = open_tables(world.job.config)

    frame = tables[TYPED].to_spark(spark)

    assert frame.columns == tables[TYPED].to_arrow().column_names
    types = dict(frame.dtypes)
    assert (types["n"], types["part"], types["dt"], types["hour"]) == (
        "bigint",
        "struct<a:bigint,b:string>",
        "date",
        "int",
    )
    assert by_offset([flat(row) for row in spark_rows(tables[TYPED], spark)]) == typed_rows()
    for name in (RAW, HIDDEN, "_quarantine"):
        assert by_offset(spark_rows(tables[name], spark)) == by_offset(tables[name].to_arrow().to_pylist())
    offsets = spark_rows(tables["_offsets"], spark)
    assert offsets == tables["_offsets"].to_arrow().to_pylist()


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_gives_raw_rows_with_the_day_and_hour_of_their_folders(
    world: World, reader: str
) -> None:
    rows = by_offset(READERS[reader](open_tables(world.job.config)[RAW]))

    assert [(row["value"], row["dt"], row["hour"]) for row in rows] == [
        (b"caf\xc3\xa9", DAY, 10),
        (b"\xff", DAY, 11),
        (b"of no time", None, None),
    ]
    assert {row["topic"] for row in rows} == {RAW}


@pytest.mark.parametrize("reader", READERS)
def test_quarantine_has_what_waits_and_not_what_was_replayed(world: World, reader: str) -> None:
    rows = READERS[reader](open_tables(world.job.config)["_quarantine"])

    assert [(row["topic"], row["offset"], row["value"], row["error_class"]) for row in rows] == [
        (TYPED, 2, b"{broken", "not-json")
    ]


@pytest.mark.parametrize("reader", READERS)
def test_offsets_tell_what_each_commit_loaded(world: World, reader: str) -> None:
    rows = READERS[reader](open_tables(world.job.config)["_offsets"])

    told = [
        tuple(
            row[name] for name in ("version", "operation", "topic", "start_offset", "end_offset", "row_count")
        )
        for row in rows
    ]
    assert told == [
        (1, "load", HIDDEN, 0, 1, 1),
        (1, "load", TYPED, 0, 3, 1),
        (1, "load", RAW, 0, 2, 2),
        (2, "load", TYPED, 3, 4, 1),
        (2, "load", RAW, 2, 3, 1),
        (3, "replay", None, None, None, None),
    ]


def test_topics_are_views_by_their_names_and_by_plain_ones(world: World) -> None:
    names = [row["name"] for row in json.loads(world.ask("SHOW TABLES", "--json").output)]
    dotted, plain, hidden = (
        world.ask(f"SELECT count(*) AS n FROM {name}", "--csv").output
        for name in (f'"{RAW}"', "query_orders_v1", "_query_hidden")
    )

    assert {*names} == {
        *(HIDDEN, "_query_hidden", TYPED, "query_flights", RAW, "query_orders_v1"),
        *("_offsets", "_quarantine"),
    }
    assert (dotted, plain, hidden) == ("n\n3\n", "n\n3\n", "n\n1\n")
    assert set(open_tables(world.job.config)) == {HIDDEN, TYPED, RAW, "_offsets", "_quarantine"}


def test_answers_are_text_csv_or_json_with_bytes_as_text_where_they_are_some(world: World) -> None:
    sql = f'SELECT value, "offset" AS place, dt, {LARGE}::DECIMAL(12, 2) AS d FROM "{RAW}" ORDER BY place'

    text, as_csv, as_json = world.ask(sql), world.ask(sql, "--csv"), world.ask(sql, "--json")

    assert text.output.splitlines() == [
        "value       place  dt                      d",
        "café            0  2024-02-29  5000000000.00",
        "\\xFF            1  2024-02-29  5000000000.00",
        "of no time      2  NULL        5000000000.00",
    ]
    assert list(csv.reader(io.StringIO(as_csv.output))) == [
        ["value", "place", "dt", "d"],
        ["café", "0", "2024-02-29", "5000000000.00"],
        ["\\xFF", "1", "2024-02-29", "5000000000.00"],
        ["of no time", "2", "", "5000000000.00"],
    ]
    assert as_json.document == [
        {"value": "café", "place": 0, "dt": "2024-02-29", "d": LARGE},
        {"value": "\\xFF", "place": 1, "dt": "2024-02-29", "d": LARGE},
        {"value": "of no time", "place": 2, "dt": None, "d": LARGE},
    ]


def test_times_are_told_in_utc(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")

    ended = world.ask(f'SELECT max("timestamp") AS newest FROM "{RAW}"', "--json")

    assert ended.document == [{"newest": "2024-02-29 11:00:00+00"}]


def test_text_is_cut_at_a_number_of_rows_and_says_so_and_documents_are_whole(world: World) -> None:
    cut, whole, limited = (
        world.ask("SELECT i FROM range(101) t(i)", *options)
        for options in ([], ["--json"], ["--csv", "--limit", "2"])
    )

    assert len(cut.output.splitlines()) == 101
    assert cut.errors == "these are the first 100 rows; more by --limit\n"
    assert [row["i"] for row in whole.document] == list(range(101))
    assert (limited.output, limited.errors) == (
        "i\n0\n1\n",
        "these are the first 2 rows; more by --limit\n",
    )


def test_sql_comes_from_standard_input_for_a_dash(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f'SELECT max(n) AS most FROM "{TYPED}"\n'))

    assert world.ask("-", "--json").document == [{"most": LARGE}]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELEC 1", 'syntax error at or near "SELEC"'),
        ("FROM query_order_v1", 'Did you mean "query_orders_v1"'),
        ("FROM query.orders.v1", '"query.orders.v1"'),
        ('SELECT nope FROM "query-flights"', 'Referenced column "nope" not found'),
        ("SELECT CAST('x' AS INT)", "Could not convert string 'x' to INT32"),
        ("FROM tables", "does not exist"),
    ],
)
def test_sql_that_is_wrong_ends_with_2_and_what_is_wrong_with_it(world: World, sql: str, told: str) -> None:
    ended = world.ask(sql)

    assert (ended.status, ended.output) == (2, "")
    assert told in ended.errors


def test_two_documents_at_once_are_refused(world: World) -> None:
    assert world.ask("SELECT 1", "--json", "--csv").status == 2


def test_without_duckdb_the_command_says_what_to_install(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    monkeypatch.delitem(sys.modules, "loader.tables.sql", raising=False)

    ended = world.ask("SELECT 1")

    assert ended.status == 2
    assert "pip install 'kafka-hadoop-loader[query]'" in ended.errors


def test_importing_the_tables_starts_nothing_and_brings_nothing_heavy() -> None:
    heavy = ["pyarrow", "pandas", "duckdb", "pyspark", "numpy", "pydantic", "kafka"]

    ended = run_python(f"import sys, loader.tables; print([m for m in {heavy} if m in sys.modules])")

    assert ended.output == "[]\n", ended.errors


def test_an_unknown_table_names_the_nearest(world: World) -> None:
    tables = open_tables(world.job.folder.url, "orders")

    with pytest.raises(UnknownTable, match='Did you mean "query-flights"'):
        tables["query-flight"]
    assert "query-flight" not in tables


def test_before_the_first_commit_there_are_empty_tables(new_job: NewJobFunction) -> None:
    job = new_job("topic")

    counted = kafka_loader(
        "query",
        str(job.config),
        "SELECT (SELECT count(*) FROM _offsets) + (SELECT count(*) FROM _quarantine) AS n",
        "--json",
    )
    unknown = kafka_loader("query", str(job.config), "FROM topic")

    assert (counted.status, counted.document) == (0, [{"n": 0}])
    assert (unknown.status, 'There are "_offsets", "_quarantine".' in unknown.errors) == (2, True)
    assert open_tables(job.config).version == 0
    assert job.folder.paths() == []


def commands_of(block: str) -> Iterator[tuple[str, list[str]]]:
    """What each command of a page gets on standard input, and its arguments."""
    for command in re.split(r"\n(?=kafka-loader |echo )", block.strip()):
        before, bar, after = command.partition(" | ") if command.startswith("echo ") else ("", "", command)
        _, *arguments = shlex.split(after)
        yield (shlex.split(before)[1] if bar else ""), arguments


@pytest.fixture
def page(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, monkeypatch: pytest.MonkeyPatch
) -> str:
    """docs/query.md, with other names for its topics, in whose folder its job file is loaded."""
    flights, weather = new_topic("docs_flights"), new_topic("docs.weather.v1")
    columns = {"carrier": "string", "flight": "long"}
    value = {"format": "json", "columns": columns}
    job = new_job({"name": flights, "value": value}, weather, name="orders")
    for carrier, flight in (("AA", 1), ("AA", 150), ("UA", 200)):
        produce(kafka, flights, [Message(json.dumps({"carrier": carrier, "flight": flight}).encode())])
    produce(kafka, weather, [Message(b'{"city": "Oslo"}')])
    job.run()
    job.config.rename(job.config.with_name("orders.toml"))
    monkeypatch.chdir(job.config.parent)
    text = (REPOSITORY / "docs" / "query.md").read_text()
    return (
        re.sub(r"\bflights\b", flights, text)
        .replace("weather.v1", weather)
        .replace("weather_v1", "docs_weather_v1")
    )


def test_every_block_of_the_page_runs_and_gives_what_it_tells(
    page: str, local_folder: LocalFolder, spark: "SparkSession", monkeypatch: pytest.MonkeyPatch
) -> None:
    names: dict[str, Any] = {"spark": spark, "destination": local_folder.url}
    outputs = []
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        if language == "python":
            exec(block, names)  # noqa: S102 - it is our own page
            names[f"result {len(names)}"] = names.get("docs_flights")
            continue
        for given, arguments in commands_of(block):
            monkeypatch.setattr(sys, "stdin", io.StringIO(given))
            ended = kafka_loader(*arguments)
            assert ended.status == 0, (arguments, ended.errors)
            outputs.append(ended.output)

    assert [output.splitlines() for output in outputs[2:6]] == [
        ["carrier  docs_flights", "AA                  2", "UA                  1"],
        ['[{"city":"Oslo"}]'],
        [
            "key,value,topic,partition,offset,timestamp,timestampType,headers,dt,hour",
            ',"{""city"": ""Oslo""}",docs.weather.v1,0,0,2024-02-29 10:00:00+00,0,,2024-02-29,10',
        ],
        ["Count", "    2"],
    ]
    assert pq.read_table("some.parquet").column("flight").to_pylist() == [150, 200]
    assert outputs[-1].splitlines() == ["version  row_count  found", "      1          3      3"]
    results = [value for name, value in names.items() if name.startswith("result")]
    by_pandas, by_spark, by_duckdb = results[:3]
    assert sorted(by_pandas["flight"]) == sorted(row.flight for row in by_spark.collect()) == [1, 150, 200]
    assert sorted(row[1] for row in by_duckdb.fetchall()) == [150, 200]
    assert sorted(names["by_carrier"].column("carrier").to_pylist()) == ["AA", "UA"]
    assert (names["tables"].version, len(names["waiting"]), names["loaded"].num_rows) == (1, 0, 2)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_missing_job_file_is_named(tmp_path: Path, options: list[str]) -> None:
    ended = kafka_loader("query", str(tmp_path / "not-there.toml"), "SELECT 1", *options)

    assert ended.status == 2
    assert ended.errors == f"kafka-loader: {tmp_path}/not-there.toml: no such file\n"


@pytest.fixture
def loaded(kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction) -> tuple[Job, str]:
    """A job with two files of one topic, the offsets 0 to 9 and 10 to 19."""
    topic = new_topic()
    job = new_job(topic)
    for first in (0, 10):
        produce(kafka, topic, messages(10, first=first))
        job.run()
    return job, topic


def offsets_by_sql(job: Job, topic: str) -> list[int]:
    found = query(job.config, f'SELECT "offset" FROM "{topic}" ORDER BY 1').column("offset").to_pylist()
    return [int(offset) for offset in found]


def test_a_file_that_no_commit_lists_is_not_seen(loaded: tuple[Job, str], local_folder: LocalFolder) -> None:
    job, topic = loaded
    published = local_folder.path / published_paths(local_folder)[0]
    published.with_name("stray.parquet").write_bytes(published.read_bytes())

    assert offsets_by_sql(job, topic) == list(range(20))
    assert open_tables(job.config)[topic].to_arrow().num_rows == 20


class RunFailed(Exception):
    """Ends a run in the middle."""


def fail() -> None:
    raise RunFailed


def test_files_that_are_committed_and_still_staged_are_seen_with_the_folders_they_will_lie_in(
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    interrupt: InterruptFunction,
    spark: "SparkSession",
) -> None:
    topic = new_topic()
    job = new_job(topic)
    produce(kafka, topic, messages(2))
    job.run()
    produce(kafka, topic, [Message(timestamp_ms=T0_MS + HOUR_MS)])
    interrupt(Step.PUBLISH, fail)
    with pytest.raises(RunFailed):
        job.try_run()
    assert len([path for path in staged_paths(job.folder) if path.endswith(".parquet")]) == 1
    assert len(published_paths(job.folder)) == 1
    table = open_tables(job.config)[topic]

    found = {name: read(table) for name, read in READERS.items()} | {"spark": spark_rows(table, spark)}

    for name, rows in found.items():
        seen = [(row["offset"], row["dt"], row["hour"]) for row in by_offset(rows)]
        assert seen == [(0, DAY, 10), (1, DAY, 10), (2, DAY, 11)], name


def compact(storage: Storage, job: str) -> None:
    """Commit the rows of all files in one file more, as `compact` does, and take the old files away."""
    snapshot = read_snapshot(storage, job)
    assert snapshot is not None
    run_id = f"compaction-{snapshot.version}"
    old = snapshot.files
    tables = []
    for file in old:
        with storage.open(file.path) as opened:
            tables.append(pq.read_table(pa.BufferReader(opened.read())))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.concat_tables(tables), sink)
    data = sink.getvalue().to_pybytes()
    name = f"{run_id}.parquet"
    with storage.create(f"{layout.run_folder(job, run_id)}/{name}") as output:
        output.write(data)
    whole = replace(
        old[0],
        path=f"{old[0].path.rpartition('/')[0]}/{name}",
        staged_name=name,
        size_bytes=len(data),
        row_count=sum(file.row_count for file in old),
    )
    commit = compaction(snapshot.newest, run_id, whole, [file.path for file in old])
    CommitLog(storage, job).append(commit)
    publish(storage, job, commit)


def compaction(newest: Commit, run_id: str, file: DataFile, removed: list[str]) -> Commit:
    return replace(
        newest,
        version=newest.version + 1,
        run_id=run_id,
        operation="compact",
        ranges=(),
        files=(file,),
        removed_files=tuple(removed),
    )


def compacted_after_each_snapshot(monkeypatch: pytest.MonkeyPatch, times: int) -> Iterator[int]:
    """Of the next snapshots so many are out of date when they are used; yields at each."""
    numbers = itertools.count(1)
    taken: list[int] = []

    def read_and_compact(storage: Storage, job: str) -> Snapshot | None:
        snapshot = read_snapshot(storage, job)
        number = next(numbers)
        taken.append(number)
        if number <= times:
            compact(storage, job)
        return snapshot

    monkeypatch.setattr("loader.tables.tables.read_snapshot", read_and_compact)
    return iter(taken)


def test_a_query_whose_files_are_taken_away_by_a_compaction_begins_again_and_has_all_rows_once(
    loaded: tuple[Job, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, topic = loaded
    taken = compacted_after_each_snapshot(monkeypatch, 2)

    assert offsets_by_sql(job, topic) == list(range(20))
    assert list(taken) == [1, 2, 3]
    ended = kafka_loader("query", str(job.config), f'SELECT count(*) AS n FROM "{topic}"', "--json")
    assert ended.document == [{"n": 20}]


def test_files_that_vanish_between_two_reads_of_one_query_are_noticed_as_well(
    loaded: tuple[Job, str], local_folder: LocalFolder
) -> None:
    job, topic = loaded
    tables = open_tables(job.config)
    connection = tables.to_duckdb()  # the views are made
    compact(open_storage(local_folder.url), "job")

    with pytest.raises(Exception, match=r"No files found|No such file|Cannot open file"):
        connection.sql(f'FROM "{topic}"').fetchall()


@pytest.mark.parametrize("read", ["to_arrow", "to_pandas"])
def test_tables_whose_files_a_later_commit_took_away_say_so_and_give_no_part_of_the_rows(
    loaded: tuple[Job, str], local_folder: LocalFolder, read: str
) -> None:
    job, topic = loaded
    tables = open_tables(job.config)
    compact(open_storage(local_folder.url), "job")

    with pytest.raises(SnapshotGone, match="Open the tables again"):
        getattr(tables[topic], read)()
    assert open_tables(job.config)[topic].to_arrow().num_rows == 20


def test_commits_that_never_stop_taking_files_away_end_the_query_with_3(
    loaded: tuple[Job, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, topic = loaded
    compacted_after_each_snapshot(monkeypatch, 99)

    ended = kafka_loader("query", str(job.config), f'FROM "{topic}"')

    assert (ended.status, ended.output) == (3, "")


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"PAR1")], ids=["gone", "cut"])
def test_a_file_that_no_commit_took_away_ends_the_query_with_4_and_its_name(
    loaded: tuple[Job, str], local_folder: LocalFolder, harm: Callable[[Path], object]
) -> None:
    job, topic = loaded
    path = local_folder.path / published_paths(local_folder)[0]
    harm(path)

    ended = kafka_loader("query", str(job.config), f'SELECT sum("offset") FROM "{topic}"')

    assert (ended.status, ended.output) == (4, "")
    assert path.name in ended.errors


def test_a_job_on_hdfs_is_read_alike_by_sql_pandas_and_spark(
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_folder: NewFolderFunction,
    new_job: NewJobFunction,
    spark: "SparkSession",
) -> None:
    topic = new_topic()
    value = {"format": "json", "columns": {"n": "int"}}
    entry = {"name": topic, "value": value, "max_bad_records": 0.9}
    folder = new_folder("hdfs")
    job = new_job(entry, folder=folder)
    produce(kafka, topic, [Message(b'{"n": 0}'), Message(b'{"n": %d}' % LARGE), Message(b"{broken")])
    job.run()
    job = new_job({**entry, "value": {**value, "columns": {"n": "long", "m": "string"}}}, folder=folder)
    produce(kafka, topic, [Message(b'{"n": 3, "m": "x"}', timestamp_ms=T0_MS + HOUR_MS)])
    job.run()
    assert kafka_loader("quarantine", "replay", str(job.config)).status == 0
    tables = open_tables(job.config)
    expected = [(0, 0, None, DAY, 10), (1, LARGE, None, DAY, 10), (3, 3, "x", DAY, 11)]

    found = {name: read(tables[topic]) for name, read in READERS.items()}
    found["spark"] = spark_rows(tables[topic], spark)
    ended = kafka_loader(
        "query", str(job.config), f"SELECT n FROM \"{topic}\" WHERE hour = 11 AND dt = '2024-02-29'", "--json"
    )
    waiting = kafka_loader("query", str(job.config), 'SELECT "offset" FROM _quarantine', "--json")

    for name, rows in found.items():
        seen = sorted((row["kafka"]["offset"], row["n"], row["m"], row["dt"], row["hour"]) for row in rows)
        assert seen == expected, name
    assert ended.document == [{"n": 3}]
    assert waiting.document == [{"offset": 2}]
