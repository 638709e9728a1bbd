"""A job as a person has it: a TOML file, a destination, and the commands."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from loader.cli import main
from local_services.java import FAST_START_OPTIONS

from .folders import Folder, read_records
from .records import Record

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it wrote."""

    status: int
    output: str
    errors: str

    @property
    def document(self) -> Any:
        """What it printed under --json."""
        return json.loads(self.output)


def kafka_loader(*arguments: str) -> Ended:
    """Run a command in this process, which saves a second each time."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        status = main.main(arguments)
    return Ended(status, output.getvalue(), errors.getvalue())


def kafka_loader_process(*arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
    """Run a command as cron would."""
    command = [str(Path(sys.executable).with_name("kafka-loader")), *arguments]
    return _ended(command, environment or {})


def run_python(code: str) -> Ended:
    """Run code in a Python that has imported nothing yet."""
    return _ended([sys.executable, "-c", code], {})


def spark_submit(*arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
    """Run jobs/load.py on two cores of this machine."""
    options = ["--master", "local[2]", "--conf", "spark.ui.enabled=false"]
    options += ["--driver-java-options", " ".join(FAST_START_OPTIONS)]
    command = [str(Path(sys.executable).with_name("spark-submit")), *options, "jobs/load.py", *arguments]
    own = {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    return _ended(command, {**own, **(environment or {})})


def _ended(command: list[str], environment: Mapping[str, str]) -> Ended:
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=REPOSITORY,
        env={**os.environ, **environment},
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@dataclass(frozen=True, slots=True)
class Job:
    """A job file and its destination."""

    config: Path
    folder: Folder

    def run(self, *options: str) -> Any:
        """Run it by --engine local in this process; the report. It must end with 0."""
        ended = self.try_run(*options)
        assert ended.status == 0, f"exit status {ended.status}: {ended.errors}"
        return ended.document

    def try_run(self, *options: str) -> Ended:
        """Run it by --engine local in this process, whatever comes of it."""
        return kafka_loader("run", str(self.config), "--json", "--processes", "1", *options)

    def plan(self) -> Any:
        """What `plan` prints."""
        return kafka_loader("plan", str(self.config), "--json").document

    def records(self) -> list[Record]:
        """The published rows."""
        return read_records(self.folder)


def write_config(
    path: Path, job: Mapping[str, Any], topics: tuple[Mapping[str, Any], ...], sections: Mapping[str, Any]
) -> None:
    """Write a job file."""
    lines = ["[job]", *_lines(job)]
    for topic in topics:
        lines += ["", "[[topics]]", *_lines(topic)]
    for name, section in sections.items():
        lines += ["", f"[{name}]", *_lines(section)]
    path.write_text("\n".join(lines) + "\n")


def _lines(section: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in section.items()]


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f'"{key}" = {_toml(each)}' for key, each in value.items()) + " }"
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value)  # strings, numbers, booleans and lists are spelled alike in both
