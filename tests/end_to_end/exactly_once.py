"""The oracle of every fault: what a destination must hold when the next run has ended."""

import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from local_services.kafka import KafkaCluster

from .folders import Folder, commit_paths, published_paths, read_records, staged_paths
from .oracle import read_by_librdkafka
from .producing import ends_of
from .records import Record, assert_same_records


@dataclass(frozen=True, slots=True)
class Truth:
    """What an independent read_committed consumer sees, and where the partitions end for it."""

    records: tuple[Record, ...]
    ends: Mapping[tuple[str, int], int]


def truth_of(kafka: KafkaCluster, partitions: Mapping[str, int]) -> Truth:
    """The truth about topics; `partitions` says how many each has."""
    return Truth(
        tuple(record for topic in partitions for record in read_by_librdkafka(kafka, topic)),
        {
            (topic, number): ends_of(kafka, topic, number).last_stable_offset
            for topic, count in partitions.items()
            for number in range(count)
        },
    )


def assert_exactly_once(folder: Folder, truth: Truth, strangers: Iterable[str] = ()) -> None:
    """The published files are the committed ones and hold every record once; nothing is left to do.

    strangers  published paths that no run wrote
    """
    newest = _commits(folder)[-1]
    assert _position(newest) == dict(truth.ends)
    assert_nothing_is_half_visible(folder, truth, strangers)
    assert sorted(set(published_paths(folder)) - set(strangers)) == sorted(_committed_paths(folder))
    assert_same_records(_records(folder, strangers), truth.records)
    assert leftovers(folder) == []


def assert_nothing_is_half_visible(folder: Folder, truth: Truth, strangers: Iterable[str] = ()) -> None:
    """What a reader sees at any moment: whole, committed files, and each of their records once."""
    seen = set(published_paths(folder)) - set(strangers)
    assert seen <= set(_committed_paths(folder))
    for path in sorted(seen):
        pq.ParquetFile(io.BytesIO(folder.read(path)))  # a footer, at its end
    by_place = {record.place: record for record in truth.records}
    records = _records(folder, strangers)
    assert_same_records(records, [by_place[place] for place in {record.place for record in records}])


def leftovers(folder: Folder) -> list[str]:
    """What runs have left in their folders.

    Not the ticket of a run that was killed while it wrote it: an empty one names no process whose death
    could be certain, so its folder, which has nothing else in it, goes by age.
    """
    return [
        path for path in staged_paths(folder) if not (path.endswith("/run.json") and folder.read(path) == b"")
    ]


def _records(folder: Folder, strangers: Iterable[str]) -> list[Record]:
    return read_records(_Without(folder, frozenset(strangers)))


def _commits(folder: Folder) -> list[Any]:
    return [
        json.loads(folder.read(path))["commit"]
        for path in commit_paths(folder)
        if re.search(r"/commits/\d{20}\.json$", path)
    ]


def _committed_paths(folder: Folder) -> list[str]:
    return [file["path"] for commit in _commits(folder) for file in commit["files"]]


def _position(commit: Any) -> dict[tuple[str, int], int]:
    return {
        (topic, int(number)): place["next_offset"]
        for topic, entry in commit["position"].items()
        for number, place in entry["partitions"].items()
    }


@dataclass(frozen=True, slots=True)
class _Without:
    """A folder without the files of strangers."""

    folder: Folder
    hidden: frozenset[str]

    @property
    def url(self) -> str:
        return self.folder.url

    def paths(self) -> list[str]:
        return [path for path in self.folder.paths() if path not in self.hidden]

    def read(self, path: str) -> bytes:
        return self.folder.read(path)
