"""Who a job is: the document that ties a ledger to one Kafka cluster."""

import json
from dataclasses import asdict, dataclass

from loader.errors import REPAIR, RUN_AGAIN, ClusterChanged, LedgerDamaged, PathExists, PathNotFound
from loader.storage.protocol import Storage
from loader.values import layout


@dataclass(frozen=True, slots=True, kw_only=True)
class JobIdentity:
    """Made once, with the job's first run. job_id is random."""

    job_id: str
    name: str
    cluster_id: str
    created_at_ms: int
    created_by: str

    def check_cluster(self, cluster_id: str) -> None:
        """Raise ClusterChanged unless the brokers are of the cluster this job was made for."""
        if cluster_id != self.cluster_id:
            raise ClusterChanged(self.cluster_id, cluster_id)


def read_identity(storage: Storage, job: str) -> JobIdentity | None:
    """The identity of a job; None before its first run. Raises LedgerDamaged when it cannot be read."""
    path = layout.identity_path(job)
    try:
        document = storage.read(path)
    except PathNotFound:
        return None
    try:
        identity = JobIdentity(**json.loads(document))
    except (ValueError, TypeError) as error:
        raise LedgerDamaged(
            f"{storage.url}/{path} is not a job's identity: {len(document)} bytes, {error}. Nothing was"
            " read or committed; published rows are untouched. Restore the file from a backup or snapshot, or"
            " make it anew from the commits.",
            [RUN_AGAIN, REPAIR],
        ) from error
    if identity.name != job:
        raise LedgerDamaged(
            f"{storage.url}/{path} belongs to job {identity.name!r}, not {job!r}: the folder was renamed or"
            " copied. Nothing was read or committed. Give job.name its old value, or the folder its old"
            " name.",
            [RUN_AGAIN],
        )
    return identity


def create_identity(storage: Storage, identity: JobIdentity, run_id: str) -> JobIdentity:
    """Write the identity of a job; when another run was first, return that one's.

    run_id  of the run in whose folder it is written before it is moved to its place
    """
    path = layout.identity_path(identity.name)
    draft = f"{layout.run_folder(identity.name, run_id)}/job.json"
    with storage.create(draft) as file:
        file.write(json.dumps(asdict(identity), indent=2).encode() + b"\n")
    try:
        storage.move(draft, path)
    except PathExists:
        storage.delete(draft)  # ours, under a name of its own
    known = read_identity(storage, identity.name)
    if known is None:
        raise LedgerDamaged(
            f"{storage.url}/{path} vanished right after it was written. Nothing was committed. Find out what"
            " deletes files there.",
            [RUN_AGAIN],
        )
    return known
