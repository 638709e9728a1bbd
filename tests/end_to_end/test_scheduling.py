"""What cron and systemd start by the examples of conf/, without a lock."""

import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from dataclasses import asdict
from pathlib import Path

import pytest

from loader.cli import process
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .conftest import NewJobFunction
from .folders import commit_paths, staged_paths
from .jobs import REPOSITORY, Job
from .oracle import read_by_librdkafka
from .producing import messages, produce
from .records import assert_same_records

CONF = REPOSITORY / "conf"
COMMANDS = str(Path(sys.executable).parent)
UNITS = ("kafka-loader@.service", "kafka-loader@.timer")


def unit(name: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None, strict=True, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((CONF / name).read_text())
    return parser


def timer_command(job: Job) -> list[str]:
    """What systemd starts for a job."""
    words = shlex.split(unit("kafka-loader@.service")["Service"]["ExecStart"])
    assert words[:3] == ["/opt/kafka-loader/bin/kafka-loader", "run", "/etc/kafka-loader/%i.toml"]
    own = [word.replace("%n", "kafka-loader@events.service") for word in words[3:]]
    return [f"{COMMANDS}/kafka-loader", "run", str(job.config), *own]


def cron_command(job: Job, logs: Path) -> list[str]:
    """What cron gives to a shell."""
    [line] = [line for line in (CONF / "loader.cron").read_text().splitlines() if line.startswith("*/10")]
    command = line.split(maxsplit=6)[6]
    for there, here in (
        ("/opt/kafka-loader/bin", COMMANDS),
        ("/etc/kafka-loader/cron.toml", str(job.config)),
        ("/var/log/kafka-loader", str(logs)),
    ):
        assert there in command
        command = command.replace(there, here)
    return ["/bin/sh", "-c", command]


def test_cron_and_timers_that_start_a_job_at_once_need_no_lock(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, tmp_path: Path
) -> None:
    topic = new_topic(partitions=2)
    produce(kafka, topic, messages(500) + messages(500, partition=1))
    job = new_job(topic)

    starts = [timer_command(job), cron_command(job, tmp_path), timer_command(job)]
    # As little of an environment as cron gives, and not its starter's working directory.
    children = [
        subprocess.Popen(
            words,
            env={"PATH": "/usr/bin:/bin"},
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for words in starts
    ]
    printed = [child.communicate(timeout=120)[0] for child in children]

    by_timers = {children[0].returncode, children[2].returncode}
    assert by_timers <= {0, 5}, printed
    assert (children[1].returncode, printed[1]) == (0, ""), "cron would send mail"
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    assert [Path(path).name for path in commit_paths(job.folder)] == ["00000000000000000001.json"]
    assert staged_paths(job.folder) == []


def test_a_service_fails_only_where_a_person_is_needed_and_is_stopped_as_by_ctrl_c() -> None:
    service = unit("kafka-loader@.service")["Service"]

    assert service["Type"] == "oneshot"
    assert {0, *map(int, service["SuccessExitStatus"].split())} == {0, 3, 5, 130}
    assert service["KillSignal"] == "SIGINT"
    assert not {"PrivatePIDs", "ProcSubset", "MemoryDenyWriteExecute"} & set(service)


def python_where_proc_hides(code: str) -> subprocess.CompletedProcess[str]:
    """Run code as nobody, where /proc shows only processes of one's own."""
    nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    hiding = "mount -t proc -o hidepid=2 proc /proc"
    script = f"{hiding} && exec {nobody} {sys.executable} -c {shlex.quote(code)}"
    words = ["unshare", "--mount", "sh", "-c", script]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=REPOSITORY)


def proc_can_hide() -> bool:
    return shutil.which("unshare") is not None and python_where_proc_hides("").returncode == 0


@pytest.mark.skipif(
    not proc_can_hide(), reason="needs root, the right to mount, and a Python that all may run"
)
def test_a_run_of_another_user_that_proc_hides_is_not_taken_for_dead() -> None:
    fields = asdict(process.new_ticket(0))
    ask = "from loader.cli.process import RunTicket, is_dead"
    gone = f"{fields!r} | {{'process_id': 2**22}}"  # beyond what the kernel gives to processes
    code = f"{ask}; print(is_dead(RunTicket(**{fields!r})), is_dead(RunTicket(**({gone}))))"

    ended = python_where_proc_hides(code)

    assert (ended.stdout, ended.stderr) == ("False True\n", "")


def test_a_timer_starts_the_service_of_its_name_and_is_what_gets_enabled() -> None:
    timer, service = unit("kafka-loader@.timer"), unit("kafka-loader@.service")

    assert "Unit" not in timer["Timer"], "the service of the same name"
    assert timer["Timer"]["OnCalendar"] == "*:0/10"
    assert (timer["Install"]["WantedBy"], service.has_section("Install")) == ("timers.target", False)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for name in UNITS:
        text = (CONF / name).read_text().replace("/opt/kafka-loader/bin", COMMANDS)
        (tmp_path / name).write_text(text)
    started = [str(tmp_path / name.replace("@", "@orders")) for name in UNITS]

    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *started], capture_output=True, text=True, check=False
    )

    assert (verified.returncode, verified.stderr) == (0, "")
