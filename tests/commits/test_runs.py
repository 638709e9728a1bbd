"""The ticket that a driver writes, and every task must see."""

import pytest

from loader.commits.runs import read_ticket, require_ticket, write_ticket
from loader.errors import AccessDenied, ConfigError, PathExists
from loader.storage import Storage
from tests.commits.examples import JOB, a_ticket, disturbed


def test_a_task_that_sees_the_drivers_ticket_may_work(storage: Storage) -> None:
    write_ticket(storage, JOB, a_ticket("run-a", base_version=7))

    require_ticket(storage, JOB, "run-a", "worker-1")

    assert read_ticket(storage, JOB, "run-a") == a_ticket("run-a", base_version=7)


def test_a_task_on_another_disk_says_that_the_folder_is_not_shared(storage: Storage) -> None:
    with pytest.raises(ConfigError, match=r"is not shared: worker-1 does not see .*run\.json.*Use hdfs://"):
        require_ticket(storage, JOB, "run-a", "worker-1")


def test_a_run_id_is_given_once(storage: Storage) -> None:
    write_ticket(storage, JOB, a_ticket("run-a"))

    with pytest.raises(PathExists):
        write_ticket(storage, JOB, a_ticket("run-a"))


def test_a_ticket_that_may_not_be_read_is_not_a_missing_one(storage: Storage) -> None:
    def read(_path: str) -> bytes:
        raise AccessDenied("no login")

    with pytest.raises(AccessDenied):
        require_ticket(disturbed(storage, read=read), JOB, "run-a", "worker-1")
