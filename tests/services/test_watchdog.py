import signal
import subprocess
import sys
import time
from pathlib import Path

from local_services.kafka import KafkaCluster

OWNER = """
import os, signal, sys
from pathlib import Path
from local_services.kafka import KafkaCluster

with KafkaCluster(Path(sys.argv[1])):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_servers_of_a_killed_test_run_end_with_it(tmp_path: Path) -> None:
    owner = subprocess.run([sys.executable, "-c", OWNER, tmp_path], env={"PYTHONPATH": ":".join(sys.path)})
    assert owner.returncode == -signal.SIGKILL

    cluster = KafkaCluster(tmp_path)
    deadline = time.monotonic() + 30
    while cluster.running and time.monotonic() < deadline:
        time.sleep(0.1)

    assert not cluster.running
