"""The file systems that a job writes to. The only home of hdfs-native."""

from loader.storage.opening import open_storage
from loader.storage.protocol import FileStatus, OutputFile, Storage

__all__ = ["FileStatus", "OutputFile", "Storage", "open_storage"]
