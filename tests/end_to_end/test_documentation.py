"""README and docs are true: what they give to type runs, and does what they say."""

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from loader.config.load import load_config
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .conftest import NewJobFunction
from .documented import World, make_world
from .jobs import REPOSITORY, kafka_loader
from .oracle import read_by_librdkafka
from .pages import WHOLE, Page, Snippet, read_pages
from .producing import T0_MS, Message, messages, produce
from .records import assert_same_records
from .run_elsewhere import BLOCKS_ELSEWHERE, RUN_ELSEWHERE
from .test_metrics import push_gateway

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PAGES = {page.name: page for page in read_pages(REPOSITORY)}
PROGRAMS = {"lint-imports", "protoc"}.union(
    each.text.split()[0] for page in PAGES.values() for each in page.typed()
)

ASKS = ("backfill", "position")
"""Commands that write only when a person agrees."""

ENDS_WITH = {'kafka-loader complete conf/quickstart.toml --until "$(date -u +%Y-%m-%dT%H:00:00Z)"': 3}
"""Where it is not 0, the exit status."""

SAYS = {
    "kafka-loader plan orders.toml": r"\norders-0 +\d+ +\d+ ",
    "kafka-loader run orders.toml": r"^committed version 3 of job orders: 1 row in 1 file",
    "kafka-loader run /etc/kafka-loader/orders.toml --engine local": r"^nothing new: ",
    "kafka-loader status orders.toml": r"^job orders stands at commit 3.*\norders .* complete up to",
    "kafka-loader history show orders.toml 1": r"^commit 1: load, .*\norders-0 +0 +6 +5 +1 ",
    "kafka-loader complete orders.toml": r"\norders is complete up to \d{4}-",
    "kafka-loader complete orders.toml --until 2026-11-22T10:00:00Z": r"^complete: 3 partitions of 3 topics",
    "kafka-loader complete orders.toml --mark": r"\n2 new markers:\n",
    'kafka-loader query orders.toml "SELECT count(*) FROM orders"': r"^count_star\(\)\n +7\n$",
    "kafka-loader verify orders.toml": r"\nproven for 3 commits: ",
    "kafka-loader quarantine list orders.toml": r"\norders  json    not-json        1 ",
    "kafka-loader quarantine show orders.toml orders": r"^orders-0@5 .*value: \"\{broken\"\n$",
    "kafka-loader quarantine replay orders.toml": r"^orders: 0 rows recovered, 1 record still bad",
    "kafka-loader metrics orders.toml": r"\nkafka_loader_lag_records\{[^}]*orders\"\} 0\.0\n",
    "kafka-loader metrics conf/quickstart.toml": r"\nkafka_loader_lag_records\{[^}]*flights\"\} 1\.0\n",
    "kafka-loader topics --config orders.toml": r"\norders +1 x1 .* yes",
    "kafka-loader topics show orders --config orders.toml": r"^topic orders, id .*\njob orders loads it\n",
    "kafka-loader tail orders --config orders.toml --last 3": r"^([^\n]*\torders-0@\d\t[^\n]*\n){3}$",
    "kafka-loader infer flights --config orders.toml": r'\[\[topics\]\]\nname = "flights"\n',
    "kafka-loader produce orders --config orders.toml < orders.txt": r"orders: 2 records acknowledged",
    "kafka-loader backfill orders.toml --topic orders --from 2h": r"rows of 8 offsets are replaced",
    "kafka-loader compact orders.toml": r"\ncommitted version \d+: 2 files became 1",
    "kafka-loader repair orders.toml": r"^nothing to repair: ",
    "kafka-loader report orders.toml": r"page about commits 1 to [23] of job orders: \S*report\.html",
    "kafka-loader history diff orders.toml 1 2": r"orders-0",
    "kafka-loader groups --config orders.toml": r"orders-loader",
    "kafka-loader groups show orders-loader --config orders.toml": r"orders-0",
}
"""What is stable of what a command prints."""


@pytest.fixture(scope="module")
def loaded(kafka: KafkaCluster, tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(kafka, tmp_path_factory.mktemp("pages") / "loaded")


@pytest.fixture
def world(loaded: World, tmp_path: Path) -> Iterator[World]:
    """As it was loaded, with a push gateway."""
    with push_gateway() as gateway:
        yield loaded.copy(tmp_path / "world", **{"http://pushgateway.example.com:9091": gateway.url})


def commands(page: Page) -> list[Snippet]:
    """Each whole command of a page, of ours and of others, in its order."""
    within = [each for each in page.spans() if is_command(each.text)]
    return sorted([*page.typed(), *within], key=lambda each: each.line)


def is_command(span: str) -> bool:
    program, *arguments = span.split()
    if program == "kafka-loader":
        return WHOLE.search(span) is not None
    is_script = program.startswith("scripts/") and (REPOSITORY / program).is_file()
    return is_script or (program in PROGRAMS and (bool(arguments) or program == "lint-imports"))


def is_ours(command: str) -> bool:
    return re.match(r"(echo .* \| )?kafka-loader ", command) is not None


PAGES_WITH_COMMANDS = [
    name
    for name, page in PAGES.items()
    if (name, "bash") not in BLOCKS_ELSEWHERE and any(is_ours(each.text) for each in commands(page))
]


@pytest.mark.parametrize("name", PAGES_WITH_COMMANDS)
def test_every_command_of_a_page_runs_and_does_what_the_page_says(name: str, world: World) -> None:
    for command in commands(PAGES[name]):
        if not is_ours(command.text):
            continue
        ended = world.run(command.text)
        if command.text.split()[1] in ASKS:
            assert (ended.status, "agree with --yes" in ended.errors) == (4, True), (str(command), ended)
            agreed = world.run(f"{command.text} --yes")
            assert agreed.status == 0, (str(command), agreed)
        else:
            assert ended.status == ENDS_WITH.get(command.text, 0), (str(command), ended)
        said = SAYS.get(command.text, "")
        assert re.search(said, ended.output + ended.errors, re.DOTALL), (str(command), said, ended)


def test_what_is_said_of_commands_is_said_of_commands_that_there_are() -> None:
    found = {each.text for page in PAGES.values() for each in commands(page)}

    assert {*ENDS_WITH, *SAYS} - found == set()


def test_every_other_command_names_the_test_that_runs_it_or_why_none_can() -> None:
    others = [each for page in PAGES.values() for each in commands(page) if not is_ours(each.text)]

    assert [str(each) for each in others if each.text not in RUN_ELSEWHERE] == []
    assert set(RUN_ELSEWHERE) - {each.text for each in others} == set(), "no page has them"


@pytest.mark.parametrize("where", sorted({*RUN_ELSEWHERE.values(), *BLOCKS_ELSEWHERE.values()}))
def test_a_test_that_is_named_exists(where: str) -> None:
    tests = re.findall(r"(\S+\.py)::(\w+)", where)

    assert tests or where.startswith("no test: ")
    for path, name in tests:
        assert re.search(rf"^def {name}\(", (REPOSITORY / "tests" / path).read_text(), re.MULTILINE), where


@pytest.mark.parametrize("name", PAGES)
def test_every_block_is_run_or_read_by_a_test(name: str) -> None:
    languages = {block.language for block in PAGES[name].blocks()}

    elsewhere = {language for page, language in BLOCKS_ELSEWHERE if page == name}
    assert languages - elsewhere <= {"", "bash", "toml", "sql", "python"}
    assert elsewhere <= languages, "the page has none"


def blocks(language: str) -> list[Any]:
    """Those that no other test covers."""
    return [
        pytest.param(block, id=f"{block.page}:{block.line}")
        for page in PAGES.values()
        for block in page.blocks()
        if block.language == language and (page.name, language) not in BLOCKS_ELSEWHERE
    ]


MISSING_SECTIONS = {
    "[job]": '[job]\nname = "orders"\ndestination = "file:///data/kafka"',
    "[kafka]": '[kafka]\nbootstrap_servers = ["127.0.0.1:9092"]',
    "[[topics]]": '[[topics]]\nname = "orders"',
}


@pytest.mark.parametrize("block", blocks("toml"))
def test_toml_is_a_job_file_or_a_part_of_one(block: Snippet, tmp_path: Path) -> None:
    path = tmp_path / "orders.toml"
    missing = [text for section, text in MISSING_SECTIONS.items() if section not in block.text]
    path.write_text("\n".join([block.text, *missing]))

    config = load_config(path)

    assert config.job.name == "orders"
    assert len(config.topics) == 1


BY_CARRIER = {("AA", 1), ("UA", 1)}


@pytest.mark.parametrize("block", blocks("sql"))
def test_sql_gives_what_was_loaded(block: Snippet, world: World, request: pytest.FixtureRequest) -> None:
    sql = world.here(block.text)
    engine = block.before.rstrip().rpartition("\n")[2]

    if engine.startswith("DuckDB"):
        rows = duckdb.execute(sql).fetchall()
    else:
        assert engine.startswith("Spark SQL"), f"{block}: for which engine?"
        spark: SparkSession = request.getfixturevalue("spark")
        rows = [tuple(row) for row in spark.sql(sql.rstrip().rstrip(";")).collect()]

    assert set(rows) == BY_CARRIER


@pytest.mark.parametrize("block", [each for each in blocks("python") if "airflow" not in each.values[0].text])
def test_python_gives_what_was_loaded(
    block: Snippet, world: World, spark: "SparkSession", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world.folder)
    names: dict[str, Any] = {"spark": spark}

    exec(world.here(block.text), names)  # noqa: S102 - it is our own page

    if "flights" in names:
        assert sorted(names["flights"]["offset"]) == [0, 1]
    else:
        assert sorted(row.id for row in names["orders"].collect()) == [0, 1, 2, 3, 4, 6]


def test_python_for_airflow_makes_the_tasks_of_a_dag(tmp_path: Path) -> None:
    pieces = [each.values[0].text for each in blocks("python") if "airflow" in each.values[0].text]
    script = "from airflow.sdk import DAG\n" + "".join(
        f"with DAG('dag_{number}') as dag:\n{textwrap.indent(piece, '    ')}\n"
        "print([(task.task_id, sorted(task.downstream_task_ids)) for task in dag.tasks])\n"
        for number, piece in enumerate(pieces)
    )
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}

    ended = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr
    made = ended.stdout.splitlines()[-len(pieces) :]
    assert made == ["[('load_orders', ['hour']), ('hour', [])]"] * len(pieces)


def test_the_refusal_that_the_readme_shows_is_what_a_run_says(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    (shown,) = (block.text for block in PAGES["README.md"].blocks() if "not loaded: " in block.text)
    topic = new_topic()
    produce(kafka, topic, messages(2500))
    job = new_job(topic)
    job.run()
    produce(kafka, topic, messages(1000, first=2500))
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})
    for future in admin.delete_records([TopicPartition(topic, 0, 2700)]).values():
        future.result(timeout=30)

    ended = kafka_loader("run", str(job.config), "--processes", "1")

    said = ended.errors.replace(str(job.config), "orders.toml").replace(topic, "orders")
    assert ended.status == 4
    assert " ".join(shown.split()) in " ".join(said.split())


def test_the_pipe_that_the_readme_names_copies_records_byte_for_byte(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, world: World
) -> None:
    (pipe,) = (each.text for each in PAGES["README.md"].spans() if " | produce " in each.text)
    topic, copy = new_topic(), new_topic()
    sent = [
        Message(b"\xff\x00", b"key", [("a", b"\xfe"), ("a", None)], T0_MS),
        Message(None, b"tombstone", (), T0_MS + 1),
        Message(b'{"id": 1}', None, (), T0_MS + 2),
    ]
    produce(kafka, topic, sent)

    config = new_job({"name": topic, "value": {"format": "json", "columns": {"id": "long"}}}).config
    given = pipe.replace("tail", f"kafka-loader tail {topic} --config {config}")
    given = given.replace("produce", f"kafka-loader produce {copy} --config {config}")
    ended = world.run(given)

    assert ended.status == 0, ended
    expected = [replace(record, topic=copy) for record in read_by_librdkafka(kafka, topic)]
    assert_same_records(read_by_librdkafka(kafka, copy), expected)
    assert len(expected) == len(sent)


def test_the_tree_of_what_is_written_is_what_a_job_wrote(world: World) -> None:
    (tree,) = (block.text for block in PAGES["README.md"].blocks() if "└── " in block.text)
    assert world.run("kafka-loader complete orders.toml --mark").status == 0
    folders: list[str] = []
    paths = []
    for line in tree.replace("_quarantine/flights", "_quarantine/orders").splitlines()[1:]:
        before, _, name = line.partition("── ")
        folders[(len(before) - 1) // 4 :] = [re.sub(r"<[^>]+>|\d+|…$", "*", name.split()[0].rstrip("/"))]
        paths.append("/".join(folders))

    assert len(paths) > 10
    assert [path for path in paths if not list(world.destination.glob(path))] == []
