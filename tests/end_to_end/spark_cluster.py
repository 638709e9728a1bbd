"""A Spark cluster of real processes on this machine, and a driver that stays on it.

Spark's own local-cluster: the driver's JVM holds a Master and a Worker, which start executors as JVMs of
their own. Speculation runs no second attempt on the host of the first, so a second Worker joins the cluster
under another name of this host.
"""

import contextlib
import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyspark

from local_services.java import FAST_START_OPTIONS
from local_services.processes import birth
from local_services.watchdog import watch

from .jobs import REPOSITORY, Ended, Job
from .notes import Notes
from .producing import wait_until

WORKER_MIB = 512
LOCAL_CLUSTER = f"local-cluster[1,1,{WORKER_MIB}]"

CONFIGURATION = {
    "spark.executor.memory": f"{WORKER_MIB}m",
    "spark.executor.cores": "1",
    "spark.executorEnv.PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'scripts'}",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.extraJavaOptions": " ".join(FAST_START_OPTIONS),
    "spark.executor.extraJavaOptions": " ".join(FAST_START_OPTIONS),
}

FAST_TO_FAIL = {
    "spark.task.maxFailures": "2",
    "spark.deploy.maxExecutorRetries": "-1",
    "spark.speculation": "true",
    # So long goes a Python worker on whose task is not wanted any more: enough to outlive a commit.
    "spark.python.task.killTimeout": "8s",
    "spark.speculation.multiplier": "1",
}


def spark_home(folder: Path) -> Path:
    """A Spark whose Workers leave what executors print in `folder`, and not where it is installed."""
    installed = Path(pyspark.__file__).parent
    for name in ("bin", "jars", "python"):
        (folder / name).symlink_to(installed / name)
    return folder


def cluster_environment(home: Path) -> dict[str, str]:
    """What driver, Master and Workers find around them."""
    return {
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_JAVA_OPTS": " ".join(FAST_START_OPTIONS),
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": CONFIGURATION["spark.executorEnv.PYTHONPATH"],
    }


class SparkCluster:
    """Runs jobs in one Spark application with two executors of one core each. Use it in a `with` block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._home = folder / "home"
        self._home.mkdir()
        self._log = folder / "driver.log"
        self._runs = 0

    def start(self, job: Job, fault: str = "", *, speculation: bool = False) -> "Started":
        """Begin a run of a job; with a fault of `faulty_tasks`."""
        self._runs += 1
        notes = Notes(self._folder / f"notes-{self._runs}")
        notes.folder.mkdir()
        order = {
            "config": str(job.config),
            "fault": fault,
            "notes": str(notes.folder),
            "speculation": speculation,
        }
        self._tell(order)
        return Started(self, notes)

    def run(self, job: Job, fault: str = "") -> Ended:
        """Run a job to its end."""
        return self.start(job, fault).end()

    @property
    def lost_executor_count(self) -> int:
        """How many executors the driver has given up."""
        return self._log.read_text().count("ERROR TaskSchedulerImpl: Lost executor")

    def __enter__(self) -> Self:
        environment = {
            **cluster_environment(spark_home(self._home)),
            "PYSPARK_SUBMIT_ARGS": shlex.join([*submit_options(FAST_TO_FAIL), "pyspark-shell"]),
        }
        with self._log.open("wb") as log:
            self._driver = subprocess.Popen(
                [sys.executable, "-m", "tests.end_to_end.spark_driver"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=self._folder,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        watch(self._driver.pid)
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        about = self.answer()
        watch(about["java"])
        self._worker = self._start_worker(about["master"], environment)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._driver.stdin is not None
        self._driver.stdin.close()  # it ends its context then
        try:
            self._driver.wait(30)
        finally:
            for process in (self._driver, self._worker):
                kill_group(process)

    def answer(self) -> Any:
        """The driver's next answer."""
        line = self._answers.get(timeout=120)
        assert line, f"the driver has ended:\n{self._log.read_text()[-3000:]}"
        return json.loads(line)

    def _tell(self, order: Mapping[str, Any]) -> None:
        assert self._driver.stdin is not None
        self._driver.stdin.write(json.dumps(order) + "\n")
        self._driver.stdin.flush()

    def _listen(self) -> None:
        assert self._driver.stdout is not None
        for line in self._driver.stdout:
            self._answers.put(line)
        self._answers.put("")

    def _start_worker(self, master: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        options = ["--host", "localhost", "--port", "0", "--webui-port", "0"]
        resources = ["--cores", "1", "--memory", f"{WORKER_MIB}M", "--work-dir", str(self._home / "work")]
        command = [str(self._home / "bin" / "spark-class"), "org.apache.spark.deploy.worker.Worker"]
        with (self._folder / "worker.log").open("wb") as log:
            worker = subprocess.Popen(
                [*command, *options, *resources, master],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        watch(worker.pid)
        return worker


class Started:
    """A run that goes on in the cluster's driver."""

    def __init__(self, cluster: SparkCluster, notes: Notes) -> None:
        self._cluster = cluster
        self.notes = notes

    def end(self) -> Ended:
        """How it ended, once it has."""
        return Ended(*self._cluster.answer())

    def attempts(self) -> dict[int, int]:
        """How many attempts at each split have begun."""
        names = [name.split("-") for name in self.notes.names("attempt-")]
        return {int(index): sum(other == index for _, other, _ in names) for _, index, _ in names}

    def kill_executor_of(self, attempt: str) -> None:
        """Kill the executor that an attempt ran on; return when it is gone."""
        pid = int(self.notes.read(f"attempt-{attempt}"))
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: birth(pid) is None, "the executor to end")


def submit_options(more: Mapping[str, str], master: str = LOCAL_CLUSTER) -> list[str]:
    """What spark-submit is told: by default one Worker with one core, and this configuration."""
    configuration = {**CONFIGURATION, **more}
    pairs = [option for key, value in configuration.items() for option in ("--conf", f"{key}={value}")]
    return ["--master", master, *pairs]


def kill_group(process: "subprocess.Popen[str] | subprocess.Popen[bytes]") -> None:
    """Kill what is left of a process and of those that it started in its session, stopped ones too."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def is_stopped(pid: int) -> bool:
    """Whether a process has heard of a SIGSTOP."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


class SleepySubmit:
    """A spark-submit of `sleepy_load` in the background, by default on a local-cluster of its own.

    Tasks go on while the driver sleeps where they have processes of their own: not with master local.
    """

    def __init__(self, job: Job, folder: Path, sleeps_at: str, master: str = LOCAL_CLUSTER) -> None:
        folder.mkdir()
        home = folder / "home"
        home.mkdir()
        self.notes = Notes(folder / "notes")
        self.notes.folder.mkdir()
        environment = {
            **cluster_environment(spark_home(home)),
            "LOADER_TEST_NOTES": str(self.notes.folder),
            "LOADER_TEST_SLEEP": sleeps_at,
        }
        command = [str(home / "bin" / "spark-submit"), *submit_options({}, master)]
        command += ["tests/end_to_end/sleepy_load.py", str(job.config), "--json"]
        self._outputs = (folder / "output", folder / "errors")
        with self._outputs[0].open("wb") as output, self._outputs[1].open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                cwd=REPOSITORY,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        watch(self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        kill_group(self._process)

    def stop(self) -> None:
        """Have both processes of the driver asleep: Spark's JVM, and the Python that it started."""
        for pid in self._driver_pids():
            os.kill(pid, signal.SIGSTOP)
            wait_until(lambda pid=pid: is_stopped(pid), "the driver to stop")  # type: ignore[misc]

    def go_on(self) -> None:
        """Wake it."""
        for pid in self._driver_pids():
            os.kill(pid, signal.SIGCONT)

    def end(self) -> Ended:
        """How it ended, once it has."""
        status = self._process.wait(120)
        output, errors = (path.read_text() for path in self._outputs)
        return Ended(status, output, errors)

    def _driver_pids(self) -> tuple[int, int]:
        return self._process.pid, int(self.notes.wait_for("driver"))
