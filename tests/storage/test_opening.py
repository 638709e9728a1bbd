"""Which addresses are a destination, and what the others are told."""

import subprocess
import sys

import pytest

from loader.errors import ConfigError
from loader.storage import open_storage


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("file:///data/out", "file:///data/out"),
        ("file:///data/out/", "file:///data/out"),
        ("file:///data/with space/100%25/a?b#c", "file:///data/with space/100%25/a?b#c"),
        ("hdfs://namenode:8020/data", "hdfs://namenode:8020/data"),
        ("hdfs://nameservice/data/out//", "hdfs://nameservice/data/out"),
    ],
)
def test_a_full_address_is_opened_as_it_stands(address: str, url: str) -> None:
    assert open_storage(address).url == url


@pytest.mark.parametrize(
    ("address", "hints"),
    [
        ("/data/out", ["file:///data/out", "hdfs://namenode:8020/data/out"]),
        ("data/out", ["file:///full/path/of/data/out", "hdfs://namenode:8020/full/path/of/data/out"]),
        ("file:/data/out", ["file:///data/out"]),
        ("hdfs:/data/out", ["hdfs://namenode:8020/data/out"]),
        ("", ["file:///"]),
        ("file://data/out", ["host 'data'", "file:///data/out"]),
        ("file://data", ["host 'data'", "file:///data"]),
        ("hdfs:///data/out", ["names no NameNode", "hdfs://namenode:8020/data/out"]),
        ("hdfs://me@namenode:8020/data", ["HADOOP_USER_NAME"]),
        ("hdfs://namenode:8020", ["root of a file system"]),
        ("hdfs://namenode:8020/", ["root of a file system"]),
        ("file:///", ["root of a file system"]),
        ("file:///data/../etc", ["write it out in full"]),
        ("file:////data", ["write it out in full"]),
        ("hdfs://namenode:8020/./data", ["write it out in full"]),
        ("s3a://bucket/data", ["s3a", "file:///", "hdfs://"]),
        ("FILE:///data", ["FILE", "file:///"]),
    ],
)
def test_any_other_address_is_told_what_to_write(address: str, hints: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        open_storage(address)

    assert repr(address) in str(caught.value)
    for hint in hints:
        assert hint in str(caught.value)


def test_a_local_job_does_not_need_hdfs_native() -> None:
    code = """
import sys
sys.modules["hdfs_native"] = None  # an import of it fails now
from loader.storage import open_storage
print(open_storage("file:///data"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "LocalStorage('/data')" in done.stdout
