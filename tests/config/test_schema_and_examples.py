import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from loader.config.load import load_config
from loader.config.schema import as_text, job_schema
from loader.config.starts import AtOffsets, AtTimestamp, Earliest, Latest

CONF = Path(__file__).parents[2] / "conf"
EXAMPLES = sorted(CONF.glob("*.toml"))


def test_the_committed_schema_is_the_generated_one() -> None:
    assert (CONF / "job.schema.json").read_text() == as_text(), (
        "run: python -m loader.config.schema > conf/job.schema.json"
    )


def test_every_key_and_table_explains_itself() -> None:
    schema = job_schema()

    for name, table in {"JobConfig": schema, **schema["$defs"]}.items():
        assert table["description"], name
        assert table["additionalProperties"] is False, name
        for key, value in table["properties"].items():
            assert value.get("description", "").endswith("."), f"{name}.{key}"
            assert "\n" not in value["description"], f"{name}.{key}"


def test_the_schema_offers_defaults_and_no_null() -> None:
    tables = job_schema()["$defs"]

    assert tables["FetchConfig"]["properties"]["max_wait_ms"]["default"] == 500
    assert tables["TopicConfig"]["properties"]["start"]["default"] == "earliest"
    assert "null" not in as_text()


def test_there_is_an_example_for_each_way_to_use_it() -> None:
    assert {path.stem for path in EXAMPLES} >= {"quickstart", "local", "hdfs", "several-topics", "cron"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_right_and_known_to_editors(path: Path) -> None:
    load_config(path)

    assert path.read_text().startswith("#:schema ./job.schema.json\n")


def test_the_quickstart_loads_two_topics_of_a_kafka_on_this_machine() -> None:
    config = load_config(CONF / "quickstart.toml")

    assert [entry.name for entry in config.topics] == ["flights", "weather"]
    assert config.kafka.bootstrap_servers == ("127.0.0.1:9092",)
    assert config.job.destination == "file:///tmp/kafka-loader-quickstart"


def test_the_examples_show_every_kind_of_start() -> None:
    starts = {type(entry.start) for entry in load_config(CONF / "several-topics.toml").topics}

    assert starts == {Earliest, Latest, AtTimestamp, AtOffsets}


def keys(table: dict[str, Any], path: str = "") -> set[str]:
    found = set()
    for key, value in table.items():
        found |= keys(value, f"{path}{key}.") if isinstance(value, dict) else {f"{path}{key}"}
    return found


def test_local_shows_every_default_as_it_is(tmp_path: Path) -> None:
    text = (CONF / "local.toml").read_text()
    defaults = re.sub(r"(?m)^# (?=\w+ = (?!.*\((no|the codec's) ))", "", text)
    everything = re.sub(r"(?m)^# (?=\w+ = )", "", text)
    (tmp_path / "defaults.toml").write_text(defaults)
    (tmp_path / "everything.toml").write_text(everything)

    assert load_config(tmp_path / "defaults.toml") == load_config(CONF / "local.toml")
    load_config(tmp_path / "everything.toml")
    tables = {name: table["properties"] for name, table in job_schema()["$defs"].items()}
    shown = keys(tomllib.loads(everything))
    for name in ("fetch", "plan", "limits", "write"):
        assert {key for key in shown if key.startswith(f"{name}.")} == {
            f"{name}.{key}" for key in tables[f"{name.capitalize()}Config"]
        }
    assert {f"kafka.{key}" for key in tables["KafkaConfig"]} - shown == {"kafka.security"}


@pytest.mark.parametrize(
    ("status", "mails"), [(0, False), (1, True), (2, True), (3, False), (4, True), (5, False)]
)
def test_the_crontab_mails_only_what_needs_a_person(tmp_path: Path, status: int, mails: bool) -> None:
    [line] = [line for line in (CONF / "loader.cron").read_text().splitlines() if line.startswith("*/10")]
    command = line.split(maxsplit=6)[6]
    assert "%" not in command, "cron reads % as a line end"
    assert "/etc/kafka-loader/cron.toml" in command
    program = tmp_path / "kafka-loader"
    program.write_text(f"#!/bin/sh\necho told; exit {status}\n")
    program.chmod(0o755)
    command = command.replace("/opt/kafka-loader/bin", str(tmp_path)).replace(
        "/var/log/kafka-loader", str(tmp_path)
    )

    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)

    assert (f"ended with status {status}" in done.stdout) == mails
    assert bool(done.stdout) == mails
    assert (tmp_path / "events.log").read_text() == "told\n"
