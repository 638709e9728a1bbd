"""Parquet files of the destination, opened for reading; what is wrong with one is a value of `errors`."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from loader.errors import UnreadableFile
from loader.storage.protocol import Storage


@contextmanager
def opened(storage: Storage, path: str, buffer_bytes: int = 0) -> Iterator[pq.ParquetFile]:
    """The file, for the body of the `with`. The checksums of the pages that are read are checked.

    buffer_bytes  how much of a column is read at a time; 0 for all of it that is in a row group

    Raises PathNotFound; UnreadableFile where it is not Parquet, or where the body meets bytes that are none,
    or raises it: the name of the file is added here.
    """
    with storage.open(path) as file:
        try:
            yield pq.ParquetFile(
                pa.PythonFile(file, mode="r"),
                buffer_size=buffer_bytes,
                pre_buffer=not buffer_bytes,  # else whole columns would be read ahead all the same
                page_checksum_verification=True,
            )
        except UnreadableFile as error:
            raise UnreadableFile(f"{storage.url}/{path}: {error}") from error
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            # OSErrors too are Arrow's: a storage raises LoaderErrors.
            raise UnreadableFile(f"{storage.url}/{path} is not a whole Parquet file: {error}") from error
