"""The tables of a job as Spark's data frames."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import reduce

import pyarrow as pa

from loader.errors import ConfigError
from loader.tables.contents import FOLDER_COLUMNS, PLACE_SCHEMA, Contents, PlacedFile
from loader.tables.table_schema import spark_ddl

try:
    from pyspark.sql import DataFrame, SparkSession, functions
except ImportError as error:
    raise ConfigError(["Spark is not installed: pip install pyspark"]) from error


_TYPES = {"dt": "date", "hour": "int"}


def frame_of(spark: SparkSession, url: str, contents: Contents | pa.Table) -> DataFrame:
    """The rows of a table of the destination `url`. Its files are read when Spark comes to it."""
    if not isinstance(contents, Contents):
        return spark.createDataFrame(contents)
    names = contents.schema.names
    parts = [_read(spark, url, contents, files).select(names) for files in _groups(contents.files)]
    if not parts:
        return spark.createDataFrame([], spark_ddl(contents.schema))
    rows = reduce(DataFrame.unionAll, parts)
    left_out = contents.left_out_places()
    if left_out is None:
        return rows
    places = functions.broadcast(spark.createDataFrame(left_out))
    return rows.join(places, PLACE_SCHEMA.names, "left_anti").select(names)


def _groups(files: Iterable[PlacedFile]) -> Iterable[list[PlacedFile]]:
    """Files that Spark can read at once: of one layout of folders, or staged and of one folder."""
    groups: defaultdict[object, list[PlacedFile]] = defaultdict(list)
    for file in files:
        groups[file.folders if file.is_published else (file.dt, file.hour)].append(file)
    return groups.values()


def _read(spark: SparkSession, url: str, contents: Contents, files: Sequence[PlacedFile]) -> DataFrame:
    """The rows of one group. Spark is told all columns: it would take those of one file for those of all."""
    first = files[0]
    told = first.folders if first.is_published else ()
    by_spark = [field for field in _folder_fields(contents) if field.name in told]
    reader = spark.read.schema(spark_ddl(pa.schema([*contents.file_schema, *by_spark])))
    if by_spark:
        reader = reader.option("basePath", f"{url}/{first.location.split('/')[0]}")
    rows = reader.parquet(*(_literal(f"{url}/{file.location}") for file in files))
    for field in _folder_fields(contents):
        if field not in by_spark:
            value = first.dt if field.name == "dt" else first.hour
            rows = rows.withColumn(field.name, functions.lit(value).cast(_TYPES[field.name]))
    return rows


def _folder_fields(contents: Contents) -> Sequence[pa.Field]:
    return FOLDER_COLUMNS if contents.has_folders else ()


def _literal(path: str) -> str:
    """A path for Hadoop, which takes it for a pattern."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", path)
