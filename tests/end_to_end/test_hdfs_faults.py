"""HDFS that loses replies, is silent, dies or stops in mid-run: what may be committed stays."""

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from loader.operations.listening import Step
from local_services.hdfs import HdfsCluster
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction
from tests.storage.rpc_proxy import Loss, RpcProxy

from .children import StoppedRun
from .conftest import NewFolderFunction, NewJobFunction
from .crashes import finished
from .exactly_once import Truth, assert_exactly_once, assert_nothing_is_half_visible, truth_of
from .folders import Folder, HdfsFolder, staged_paths
from .jobs import Job
from .producing import HOUR_MS, T0_MS, Message, messages, produce

DEADLINE_S = 2.0
DONE, RUN_AGAIN = 0, 3
MID_LOAD = None


@pytest.fixture
def topic(kafka: KafkaCluster, new_topic: NewTopicFunction) -> str:
    """Two partitions with 10 records each, of different hours: two files."""
    topic = new_topic(partitions=2)
    produce(kafka, topic, messages(10) + messages(10, partition=1, timestamp_ms=T0_MS + HOUR_MS))
    return topic


@pytest.fixture
def truth(kafka: KafkaCluster, topic: str) -> Truth:
    return truth_of(kafka, {topic: 2})


@dataclass(frozen=True, slots=True)
class Behind:
    """A folder of an HDFS, for the loader to reach by another port."""

    folder: Folder
    port: int

    @property
    def url(self) -> str:
        return f"hdfs://127.0.0.1:{self.port}/{self.folder.url.split('/', 3)[3]}"

    def paths(self) -> list[str]:
        return self.folder.paths()

    def read(self, path: str) -> bytes:
        return self.folder.read(path)


# A run's calls of the NameNode, when they are lost, and how the run ends.
LOST_CALLS = {
    (Step.STAGE, "rename2", Loss.REPLY_CUT): DONE,  # the job's identity
    (Step.STAGE, "rename2", Loss.REQUEST_CUT): RUN_AGAIN,
    (Step.STAGE, "create", Loss.REPLY_CUT): RUN_AGAIN,
    (Step.LOAD, "create", Loss.REPLY_CUT): RUN_AGAIN,
    (Step.LOAD, "addBlock", Loss.REPLY_CUT): RUN_AGAIN,
    (Step.LOAD, "complete", Loss.REPLY_CUT): RUN_AGAIN,
    (Step.LOAD, "complete", Loss.REPLY_HELD): RUN_AGAIN,
    (Step.COMMIT, "complete", Loss.REPLY_CUT): RUN_AGAIN,  # the commit's draft
    (Step.COMMIT, "rename2", Loss.REPLY_CUT): DONE,
    (Step.COMMIT, "rename2", Loss.REPLY_HELD): RUN_AGAIN,  # it is done, and nobody can tell
    (Step.COMMIT, "rename2", Loss.REQUEST_CUT): RUN_AGAIN,
    (Step.COMMIT, "rename2", Loss.REQUEST_HELD): RUN_AGAIN,
    (Step.PUBLISH, "rename2", Loss.REPLY_CUT): DONE,
    (Step.PUBLISH, "rename2", Loss.REPLY_HELD): RUN_AGAIN,
    (Step.PUBLISH, "rename2", Loss.REQUEST_CUT): DONE,  # asked again
    (Step.PUBLISH, "rename2", Loss.REQUEST_HELD): DONE,
    (Step.PUBLISH, "delete", Loss.REPLY_CUT): DONE,
}


def test_a_call_without_an_answer_loses_and_doubles_nothing(
    hdfs: HdfsCluster, topic: str, truth: Truth, new_folder: NewFolderFunction, new_job: NewJobFunction
) -> None:
    def end_of(case: tuple[Step, str, Loss]) -> int:
        step, method, loss = case
        with RpcProxy(hdfs.port) as proxy:
            folder = Behind(new_folder("hdfs"), proxy.port)
            job = new_job(topic, folder=folder)
            with StoppedRun(job.config, step, DEADLINE_S) as run:
                staged = staged_paths(folder)
                proxy.lose(method, loss)

                status = run.wake()

            assert proxy.calls_lost == 1
            assert_nothing_is_half_visible(folder, truth)
            if status == RUN_AGAIN and step is Step.COMMIT and method == "rename2":
                assert set(staged) <= set(staged_paths(folder))  # they may be the commit's
        finished(new_job(topic, folder=folder.folder).config)
        assert_exactly_once(folder, truth)
        return status

    with ThreadPoolExecutor(len(LOST_CALLS)) as threads:  # most of the time is spent waiting
        ends = list(threads.map(end_of, LOST_CALLS))

    assert dict(zip(LOST_CALLS, ends, strict=True)) == LOST_CALLS


@pytest.fixture(scope="module")
def own_hdfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HdfsCluster]:
    with HdfsCluster(tmp_path_factory.mktemp("own-hdfs")) as cluster:
        yield cluster


def stopped(until_end: ExitStack, jobs: Sequence[Job], moments: Sequence[Step | None]) -> list[StoppedRun]:
    """A run of each job that has stopped at its moment; killed at the end if it was not woken."""
    with ThreadPoolExecutor(len(jobs)) as threads:
        runs = [StoppedRun(job.config, at, DEADLINE_S) for job, at in zip(jobs, moments, strict=True)]
        return list(threads.map(until_end.enter_context, runs))


def wake(runs: Sequence[StoppedRun]) -> list[int]:
    with ThreadPoolExecutor(len(runs)) as threads:
        return list(threads.map(StoppedRun.wake, runs))


def assert_finished_by_the_next(hdfs: HdfsCluster, jobs: Sequence[Job], truth: Truth) -> None:
    def check(job: Job) -> None:
        # A client of its own: the old one's connection broke.
        folder = HdfsFolder(hdfs, job.folder.url.removeprefix(hdfs.url))
        assert_nothing_is_half_visible(folder, truth)
        finished(job.config)
        assert_exactly_once(folder, truth)

    with ThreadPoolExecutor(len(jobs)) as threads:
        list(threads.map(check, jobs))


def test_a_namenode_that_dies_in_mid_run_and_comes_back_loses_and_doubles_nothing(
    own_hdfs: HdfsCluster, topic: str, truth: Truth, new_job: NewJobFunction
) -> None:
    steps = [MID_LOAD, Step.COMMIT, Step.PUBLISH]
    jobs = [new_job(topic, folder=HdfsFolder(own_hdfs, f"/namenode-{number}")) for number in range(6)]

    with ExitStack() as until_end:
        while_away = stopped(until_end, jobs[:3], steps)
        when_back = stopped(until_end, jobs[3:], steps)
        own_hdfs.namenode.kill()
        ends_while_away = wake(while_away)
        own_hdfs.namenode.start()
        ends_when_back = wake(when_back)

    assert ends_while_away == [RUN_AGAIN] * 3
    # The first call on a connection that broke fails: a question is asked again, a write is not.
    assert set(ends_when_back) <= {DONE, RUN_AGAIN}
    assert_finished_by_the_next(own_hdfs, jobs, truth)


def test_a_datanode_that_stops_in_mid_file_loses_and_doubles_nothing(
    own_hdfs: HdfsCluster, kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    # More than the loader sends at once, in several fetches: when it stops, a part is at the DataNode.
    topic = new_topic()
    noise = random.Random(0)
    produce(kafka, topic, [Message(noise.randbytes(700_000)) for _ in range(6)])
    fetch, write = {"max_bytes": 1 << 16}, {"row_group_bytes": 1 << 16, "compression": "none"}
    folders = [HdfsFolder(own_hdfs, f"/datanode-{number}") for number in range(2)]
    jobs = [new_job(topic, folder=folder, fetch=fetch, write=write) for folder in folders]
    datanode = own_hdfs.datanodes[0]

    with ExitStack() as until_end:
        of_paused, of_killed = stopped(until_end, jobs, [MID_LOAD] * 2)
        for folder in folders:
            assert any(path.endswith(".parquet") for path in staged_paths(folder))
        datanode.pause()
        try:
            assert of_paused.wake() == RUN_AGAIN
        finally:
            datanode.resume()
        datanode.kill()
        assert of_killed.wake() == RUN_AGAIN
        datanode.start()

    assert_finished_by_the_next(own_hdfs, jobs, truth_of(kafka, {topic: 1}))
