"""Whether each replayed row was made of a record in the quarantine, and of each record one row at most."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from loader.errors import PathNotFound, UnreadableFile
from loader.operations.proof.file_proof import FILE_CHOICES, FileProof
from loader.operations.proof.findings import Findings, OffsetSample
from loader.storage.protocol import Storage
from loader.tables.offsets import read_offsets
from loader.tables.opening import opened
from loader.values import TopicPartition


def prove_replays(storage: Storage, proofs: Sequence[FileProof], findings: Findings) -> None:
    """Hold the files of replays against those of the quarantine; what cannot be read was told before.

    proofs  of all files of the job
    """
    replays = [proof for proof in proofs if proof.file.is_replay]
    if not replays:
        return
    known = _offsets(storage, [proof for proof in proofs if proof.file.is_quarantine])
    seen: dict[TopicPartition, NDArray[np.int64]] = {}
    for proof in replays:
        for place, offsets in _offsets(storage, [proof]).items():
            before = seen.get(place, np.empty(0, np.int64))
            strangers = OffsetSample()
            strangers.add(np.setdiff1d(offsets, known.get(place, np.empty(0, np.int64))))
            doubled = OffsetSample()
            ordered = np.sort(offsets)
            doubled.add(np.union1d(np.intersect1d(offsets, before), ordered[1:][ordered[1:] == ordered[:-1]]))
            seen[place] = np.union1d(before, offsets)
            for kind, sample, why in (
                ("offset-stranger", strangers, "which no file of the quarantine holds"),
                ("offset-twice", doubled, "which another file of a replay holds too"),
            ):
                if sample.count:
                    findings.problem(
                        kind,
                        f"{storage.url}/{proof.file.path} has {sample.count} replayed rows of {place},"
                        f" {sample}, {why}",
                        proof.file.path,
                        FILE_CHOICES,
                    )


def _offsets(storage: Storage, proofs: Sequence[FileProof]) -> dict[TopicPartition, NDArray[np.int64]]:
    found: defaultdict[TopicPartition, list[NDArray[np.int64]]] = defaultdict(list)
    for proof in proofs:
        if proof.path is None or not proof.is_counted:
            continue
        try:
            with opened(storage, proof.path) as parquet:
                for rows in read_offsets(parquet):
                    found[TopicPartition(rows.topic, rows.partition)].append(rows.offsets)
        except (PathNotFound, UnreadableFile):
            continue  # it was read a moment ago, and is told when it is looked at again
    return {place: np.concatenate(offsets) for place, offsets in found.items()}
