"""Who a job is: made once, by one of several first runs, and tied to one cluster."""

import json
from dataclasses import replace
from functools import partial

import pytest

from loader.commits.identity import JobIdentity, create_identity, read_identity
from loader.errors import ClusterChanged, LedgerDamaged
from loader.storage import Storage
from loader.values import layout
from tests.commits.examples import JOB, write
from tests.storage.helpers import at_once

IDENTITY = JobIdentity(
    job_id="j-1", name=JOB, cluster_id="c-1", created_at_ms=1_763_800_000_000, created_by="ann@host"
)


def test_a_job_has_no_identity_before_its_first_run(storage: Storage) -> None:
    assert read_identity(storage, JOB) is None


def test_an_identity_comes_back_as_it_was_made(storage: Storage) -> None:
    assert create_identity(storage, IDENTITY, "run-a") == IDENTITY
    assert read_identity(storage, JOB) == IDENTITY


def test_of_first_runs_at_once_all_get_the_same_identity(storage: Storage) -> None:
    drafts = [replace(IDENTITY, job_id=f"j-{number}") for number in range(3)]

    made = at_once([partial(create_identity, storage, draft, draft.job_id) for draft in drafts])

    assert made[0] in drafts
    assert made == [made[0]] * 3
    assert layout.identity_path(JOB) in [entry.path for entry in storage.list(layout.job_folder(JOB))]
    for draft in drafts:
        assert list(storage.list(layout.run_folder(JOB, draft.job_id))) == []


def test_another_cluster_behind_the_same_address_is_refused() -> None:
    IDENTITY.check_cluster("c-1")

    with pytest.raises(ClusterChanged, match=r"cluster c-2, the ledger to c-1.*Nothing was read"):
        IDENTITY.check_cluster("c-2")


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b"null", b'"text"', b"\xff", b'{"name": "x"}'])
def test_what_is_no_identity_is_refused_with_what_to_do(storage: Storage, document: bytes) -> None:
    write(storage, layout.identity_path(JOB), document)

    with pytest.raises(LedgerDamaged, match=r"job\.json is not a job's identity: .*Restore"):
        read_identity(storage, JOB)


def test_a_ledger_moved_under_another_job_is_found(storage: Storage) -> None:
    moved = {"job_id": "j-1", "name": "flights", "cluster_id": "c", "created_at_ms": 1, "created_by": "a"}
    write(storage, layout.identity_path(JOB), json.dumps(moved).encode())

    with pytest.raises(
        LedgerDamaged, match=r"belongs to job 'flights', not 'orders'.*the folder its old name"
    ):
        read_identity(storage, JOB)
