"""What is told of a run while it goes on: its steps, its plan, its progress, its decisions."""

from enum import Enum
from typing import Protocol

from loader.operations.decisions import Decision
from loader.operations.plan import LoadPlan
from loader.values import Advance


class Step(Enum):
    """The steps of a run, in order. Each is announced when it begins."""

    RECOVER = "recover"
    PLAN = "plan"
    STAGE = "stage"
    LOAD = "load"
    CHECK = "check"
    COMMIT = "commit"
    PUBLISH = "publish"
    SWEEP = "sweep"

    def __str__(self) -> str:
        return self.value


class Listener(Protocol):
    """Hears of a run as it goes on; for progress and logs. Nothing in a run depends on it."""

    def step(self, step: Step) -> None:
        """A step begins."""
        ...

    def planned(self, plan: LoadPlan) -> None:
        """The plan is made."""
        ...

    def advanced(self, advance: Advance) -> None:
        """Some of the plan is loaded."""
        ...

    def decided(self, decision: Decision) -> None:
        """Something was decided, or done for good."""
        ...
