"""Whatever a job goes through: nothing is lost, nothing is doubled, and `verify` finds it proven."""

import os
import random

import pytest

from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .any_history import AnyHistory
from .conftest import NewJobFunction

STEP_COUNT = 13

FIRST, COUNT = map(int, os.environ.get("ANY_HISTORY_SEEDS", "1:3").split(":"))
"""Set it to look at more of them than the suite has the time for."""


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_whatever_happens_each_record_is_there_once(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, seed: int
) -> None:
    raw, typed = new_topic(partitions=2), new_topic(partitions=2)
    history = AnyHistory(kafka, new_job, raw, typed, random.Random(seed))
    try:
        history.begin()
        for _ in range(STEP_COUNT):
            history.go_on()
    except BaseException as error:
        error.add_note("\n  ".join([f"seed {seed}, steps:", *history.steps]))
        raise
