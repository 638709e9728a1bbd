"""Files of a table as a pyarrow dataset, on any storage: only what is asked for is read."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs

from loader.storage.protocol import Storage
from loader.tables.contents import PlacedFile


def dataset_of(storage: Storage, files: Iterable[PlacedFile], schema: pa.Schema) -> ds.Dataset:
    """The rows of files in a common schema; of columns that a file lacks, nulls.

    schema  may end in FOLDER_COLUMNS, which each file's published path has values for

    Reading raises what the storage raises, and what Arrow raises for bytes that are not Parquet.
    """
    file_system = fs.PyFileSystem(_StorageFiles(storage))
    parquet = ds.ParquetFileFormat()
    has_folders = "dt" in schema.names
    fragments = [
        parquet.make_fragment(
            each.location, file_system, partition_expression=_folder_values(each) if has_folders else None
        )
        for each in files
    ]
    return ds.FileSystemDataset(fragments, schema, parquet, file_system)


def _folder_values(file: PlacedFile) -> ds.Expression:
    return _is("dt", file.dt, pa.date32()) & _is("hour", file.hour, pa.int32())


def _is(name: str, value: Any, value_type: pa.DataType) -> ds.Expression:
    field = ds.field(name)
    return field.is_null() if value is None else field == pa.scalar(value, value_type)


class _StorageFiles(fs.FileSystemHandler):  # type: ignore[misc] # pyarrow ships no types
    """What Arrow asks of a file system in order to read files whose paths it was given."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _StorageFiles) and other._storage is self._storage

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return id(self._storage)

    def get_type_name(self) -> str:
        return "loader"

    def normalize_path(self, path: str) -> str:
        return path

    def open_input_file(self, path: str) -> pa.NativeFile:
        return pa.PythonFile(self._storage.open(path), mode="r")

    def open_input_stream(self, path: str) -> pa.NativeFile:
        return self.open_input_file(path)

    def _refused(self, *_: object, **__: object) -> Any:
        raise NotImplementedError("only files are read here")

    get_file_info = get_file_info_selector = _refused
    create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = _refused
    delete_file = move = copy_file = open_output_stream = open_append_stream = _refused
