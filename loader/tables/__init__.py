"""Published rows, read back: as tables for pandas, Spark, DuckDB and pyarrow, and file by file for proofs.

    from loader.tables import open_tables

    open_tables("orders.toml")["flights"].to_pandas()
    open_tables("orders.toml")["flights"].to_spark(spark)
    open_tables("orders.toml").query('SELECT count(*) FROM flights')

docs/query.md tells what a table holds, and why it is not the same as all files of a folder.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from loader.storage.protocol import Storage
    from loader.tables.tables import Tables

__all__ = ["open_tables", "query"]


def open_tables(job_file: str | Path, job: str | None = None) -> "Tables":
    """The tables of a job as of its newest commit: a mapping from names to tables.

    job_file  a job file, of which [job] is used and no secret is needed; with `job`, a destination's URL
    job       the name of a job at that destination

    Raises ConfigError, what the storage raises, and LedgerDamaged.
    """
    from loader.tables.tables import open_snapshot

    return open_snapshot(*_place(job_file, job))


def query(job_file: str | Path, sql: str, job: str | None = None) -> "pa.Table":
    """What DuckDB answers to SQL over the tables of a job as of its newest commit, as a pyarrow table.

    Where a commit takes files away while they are read, the newest commit is taken and the query begun again.
    Else as `open_tables(job_file, job).query(sql)`.
    """
    from loader.tables.tables import Tables, read_newest

    return read_newest(*_place(job_file, job), lambda tables: Tables.query(tables, sql))


def _place(job_file: str | Path, job: str | None) -> "tuple[Storage, str]":
    from loader.config.load import load_config
    from loader.storage.opening import open_storage

    if job is not None:
        return open_storage(str(job_file)), job
    section = load_config(Path(job_file)).job
    return open_storage(section.destination), section.name
