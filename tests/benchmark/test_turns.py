from dataclasses import replace
from pathlib import Path

import pytest

from benchmark import competitors, running
from benchmark.checks import Fingerprint
from benchmark.competitors import COMPETITORS
from benchmark.errors import BenchmarkError
from benchmark.producing import ReadyWorkload, ready_workload
from benchmark.running import run_in_turn
from benchmark.workloads import Workload
from local_services.kafka import KafkaCluster

PLAIN = Workload(name="T1", what="plain", record_count=4_000, codec="lz4")
TRANSACTIONS = Workload(
    name="T9", what="transactions", record_count=20_000, codec="zstd", is_transactional=True, has_keys=True
)


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that remembers workloads."""
    return tmp_path_factory.mktemp("benchmark") / "workloads.json"


@pytest.fixture(scope="module")
def plain(kafka: KafkaCluster, memory: Path) -> ReadyWorkload:
    """PLAIN, produced once."""
    return ready_workload(kafka, PLAIN, memory, print)


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "OUTPUT_FOLDER", tmp_path / "output")
    monkeypatch.setattr(competitors, "SCRATCH", tmp_path / "scratch")


def test_every_client_and_the_loader_write_what_an_independent_client_reads(
    kafka: KafkaCluster, plain: ReadyWorkload
) -> None:
    names = ["loader-1", "confluent", "kafka-python"]
    (broker,) = [server.process.pid for server in kafka.servers]
    assert broker is not None
    told: list[str] = []

    turns = run_in_turn(plain, [COMPETITORS[name] for name in names], 1, [broker], told.append)

    counted = {name: [turn for turn in turns[name] if turn["counts"]] for name in names}
    assert [[turn["rows"] for turn in each] for each in counted.values()] == [[4_000]] * 3
    for (turn,) in counted.values():
        assert turn["written_bytes"] > 0
        assert turn["peak_rss_bytes"] > 50 * 2**20
        assert 0 < turn["seconds"] <= turn["wall_s"]
    assert [line.split()[1] for line in told] == ["loader-1", *names]  # its warm-up, then all in turn


def test_aborted_records_are_no_part_of_what_must_be_loaded(kafka: KafkaCluster, memory: Path) -> None:
    ready = ready_workload(kafka, TRANSACTIONS, memory, print)

    turns = run_in_turn(ready, [COMPETITORS["confluent"]], 1, [], print)

    assert ready.reference.count == 18_000
    assert [turn["rows"] for turn in turns["confluent"]] == [18_000]


def test_a_wrong_output_stops_the_benchmark(plain: ReadyWorkload) -> None:
    other = replace(plain, reference=plain.reference + Fingerprint(0, 0, 1, 0))

    with pytest.raises(BenchmarkError, match="confluent on T1: wrote a row for each offset, but some values"):
        run_in_turn(other, [COMPETITORS["confluent"]], 1, [], print)


def test_a_workload_that_is_there_is_not_produced_again(
    kafka: KafkaCluster, plain: ReadyWorkload, memory: Path
) -> None:
    told: list[str] = []

    again = ready_workload(kafka, PLAIN, memory, told.append)

    assert again == plain
    assert told == []


def test_a_competitor_that_fails_is_told_with_its_traceback(plain: ReadyWorkload) -> None:
    astray = replace(plain, ends={"no-such-topic": [1]})

    with pytest.raises(BenchmarkError, match=r"loader-1 failed: Traceback"):
        run_in_turn(astray, [COMPETITORS["loader-1"]], 1, [], print)
