"""A folder of its own for each test, on local storage and on a real HDFS."""

import itertools
import os
from pathlib import Path

import pytest

from loader.storage import Storage
from loader.storage.hdfs import HdfsStorage
from loader.storage.local import LocalStorage
from local_services.hdfs import HdfsCluster

_folder_numbers = itertools.count(1)

SMALL_BLOCK_BYTES = 1 << 20
"""The least that a NameNode takes by default, so that a file of several blocks is small."""


@pytest.fixture(params=["local", "hdfs"])
def storage(request: pytest.FixtureRequest) -> Storage:
    """An empty destination; its root is made by the first that writes to it."""
    storage: Storage = request.getfixturevalue(f"{request.param}_storage")
    return storage


@pytest.fixture
def local_storage(tmp_path: Path) -> LocalStorage:
    """An empty destination on this machine's disk."""
    return LocalStorage(tmp_path / "destination")


@pytest.fixture
def hdfs_storage(hdfs: HdfsCluster) -> HdfsStorage:
    """An empty destination on the shared HDFS."""
    url = f"{hdfs.url}/storage-{os.getpid()}/{next(_folder_numbers)}"
    return HdfsStorage(url, block_size_bytes=SMALL_BLOCK_BYTES)
