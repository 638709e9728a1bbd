"""A destination that comes to harm: its files and its ledger, changed as carefully as one likes."""

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .folders import LocalFolder, commit_paths
from .jobs import Job

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Copy:
    """A job with a copy of another's destination, to do harm to."""

    job: Job
    root: Path

    @property
    def ledger(self) -> list[Path]:
        """The commits, oldest first."""
        return [self.root / path for path in commit_paths(self.job.folder)]

    def commit(self, number: int) -> Document:
        """The body of a commit, counted from 0; -1 is the newest."""
        document: Document = json.loads(self.ledger[number].read_text())["commit"]
        return document

    def rewrite_commit(self, number: int, change: Callable[[Document], object]) -> None:
        """Change a commit, and give it the checksum of what it is then."""
        path, body = self.ledger[number], self.commit(number)
        change(body)
        write_commit(path, body)

    def file_of(self, topic: str, number: int = 0) -> Path:
        """The first file with rows of a topic that the commit of this number lists."""
        paths: list[str] = [each["path"] for each in self.commit(number)["files"] if each["topic"] == topic]
        return self.root / paths[0]

    def relative(self, path: Path) -> str:
        """As the ledger names it."""
        return str(path.relative_to(self.root))


def copy_of(job: Job, root: Path) -> Copy:
    """The destination once more, and a job file for it."""
    assert isinstance(job.folder, LocalFolder)
    shutil.copytree(job.folder.path, root)
    config = root.with_suffix(".toml")
    folder = LocalFolder(root)
    config.write_text(job.config.read_text().replace(job.folder.url, folder.url))
    return Copy(Job(config, folder), root)


def write_commit(path: Path, body: Document) -> None:
    """A commit as the loader writes it; not by the loader."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    checksum = "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
    path.write_text(f'{{"checksum":"{checksum}","commit":{canonical}}}\n')


def rewrite(
    path: Path,
    change: Callable[[list[Document]], object],
    facts: Mapping[str, str] | None = None,
    *,
    same_size: bool = True,
) -> None:
    """Change the rows of a file, and write it anew with its footer; by default it keeps its size.

    facts  of the footer, in the place of what it says
    """
    # With its footer's facts a schema would have them written once more.
    table = pq.ParquetFile(path).read().replace_schema_metadata(None)
    size_bytes = path.stat().st_size
    known = {key.decode(): value.decode() for key, value in pq.ParquetFile(path).metadata.metadata.items()}
    known = {key: value for key, value in known.items() if key.startswith("loader.")} | dict(facts or {})
    rows: list[Document] = table.to_pylist()
    change(rows)
    changed = pa.Table.from_pylist(rows, table.schema)
    data = _encode(changed, known)
    if same_size:
        # A number in the footer is longer from 128 bytes on: more than one length of the padding is tried.
        for length in range(size_bytes - len(data), 0, -1):
            data = _encode(changed, {**known, "padding": "x" * length})
            if len(data) == size_bytes:
                break
        assert len(data) == size_bytes
    path.write_bytes(data)


def _encode(table: pa.Table, facts: Mapping[str, str]) -> bytes:
    output = io.BytesIO()
    with pq.ParquetWriter(
        output,
        table.schema,
        compression="zstd",
        use_dictionary=False,
        write_statistics=["offset"],
        store_schema=False,
    ) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(dict(facts))
    return output.getvalue()


def footer_facts(path: Path) -> Document:
    """What the footer says under the loader's names."""
    metadata = pq.ParquetFile(path).metadata.metadata
    return {key.decode(): value.decode() for key, value in metadata.items() if key.startswith(b"loader.")}


def last_byte_of_values(path: Path) -> int:
    """Where the last byte of the data of the column `value` lies."""
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = {group.column(number).path_in_schema: group.column(number) for number in range(9)}
    column = columns["value"]
    start = column.dictionary_page_offset or column.data_page_offset
    return int(start + column.total_compressed_size - 1)


def flip(path: Path, place: int) -> None:
    """One bit of a file."""
    data = bytearray(path.read_bytes())
    data[place] ^= 4
    path.write_bytes(data)
