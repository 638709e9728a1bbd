"""Tasks that need no Kafka. Apart from the tests, so that a Spark worker can import them."""

import os
import signal
from collections.abc import Callable

from loader.errors import OffsetsExpired
from loader.values import Advance, OffsetRange, Split, SplitResult, TopicFailure

RANGE = OffsetRange("orders", 0, 0, 10)


class FakeTask:
    """Does to a split what its index says, without Kafka."""

    run_id = "run-a"
    job = "orders"

    def run(self, split: Split, _: Callable[[Advance], None]) -> SplitResult:
        if split.index == 1:
            self.misbehave(split)
        return SplitResult(split.index, f"attempt-{split.index}", (), ())

    def misbehave(self, split: Split) -> None:
        """Nothing wrong."""


class Killed(FakeTask):
    def misbehave(self, split: Split) -> None:  # noqa: ARG002
        os.kill(os.getpid(), signal.SIGKILL)


class Buggy(FakeTask):
    def misbehave(self, split: Split) -> None:  # noqa: ARG002
        raise TypeError("a bug")


class Failing(FakeTask):
    def run(self, split: Split, _: Callable[[Advance], None]) -> SplitResult:
        failure = TopicFailure("orders", OffsetsExpired(RANGE, 5))
        return SplitResult(split.index, "attempt", (), (), (failure,))
