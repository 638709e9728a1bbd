"""The ledger is tested on the same file systems as the storage room."""

from tests.storage.conftest import hdfs_storage, local_storage, storage

__all__ = ["hdfs_storage", "local_storage", "storage"]
