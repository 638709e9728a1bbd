"""The HDFS that other tests stand on: what is written stays, and every process can fail and come back."""

from collections.abc import Iterator

import hdfs_native
import pytest
from pyspark.sql import SparkSession

from local_services.hdfs import HdfsCluster


def write(cluster: HdfsCluster, path: str, content: bytes) -> None:
    with hdfs_native.Client(cluster.url).create(path, hdfs_native.WriteOptions()) as file:
        file.write(content)


def read(cluster: HdfsCluster, path: str) -> bytes:
    with hdfs_native.Client(cluster.url).read(path) as file:
        return bytes(file.read())


@pytest.fixture(scope="module")
def own_hdfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HdfsCluster]:
    with HdfsCluster(tmp_path_factory.mktemp("own-hdfs")) as cluster:
        yield cluster


def test_spark_reads_what_it_wrote_to_hdfs(hdfs: HdfsCluster, spark: SparkSession) -> None:
    spark.range(100).write.parquet(f"{hdfs.url}/from-spark")

    assert spark.read.parquet(f"{hdfs.url}/from-spark").count() == 100


def test_a_killed_namenode_comes_back_with_its_files(own_hdfs: HdfsCluster) -> None:
    write(own_hdfs, "/kept", b"content")

    own_hdfs.namenode.kill()
    own_hdfs.namenode.start()

    assert read(own_hdfs, "/kept") == b"content"
    assert own_hdfs.answers()


def test_a_killed_datanode_comes_back_with_its_blocks(own_hdfs: HdfsCluster) -> None:
    write(own_hdfs, "/blocks", b"content")

    own_hdfs.datanodes[0].kill()
    assert not own_hdfs.answers()
    own_hdfs.datanodes[0].start()

    assert read(own_hdfs, "/blocks") == b"content"
    assert own_hdfs.answers()


def test_a_paused_namenode_runs_but_does_not_answer(own_hdfs: HdfsCluster) -> None:
    own_hdfs.namenode.pause()
    try:
        assert own_hdfs.running
        assert not own_hdfs.answers()
    finally:
        own_hdfs.namenode.resume()

    own_hdfs.namenode.wait_until_ready()
