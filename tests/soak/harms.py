"""What a soak does to its job: each harm ends with processes and brokers as they should be."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loader.operations.listening import Step
from tests.end_to_end.children import StoppedRun
from tests.end_to_end.crashes import KILLED, _context, _end_of, _run, _start, killed_before_write, run_at_once
from tests.end_to_end.jobs import Ended, kafka_loader

from .world import World

FINE = {0, 3, 5}
"""Statuses of a run among others, or of one whose broker was restarted."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A job among its topics. `position` reads the next offsets that its newest commit tells."""

    world: World
    config: Path
    rng: random.Random
    position: Callable[[], dict[tuple[str, int], int]]

    def run(self, *options: str) -> Ended:
        """To its end, in this process."""
        return kafka_loader("run", str(self.config), "--json", "--processes", "1", *options)


def nothing(scene: Scene) -> str:
    """A run as every day."""
    ended = scene.run()
    assert ended.status == 0, ended.errors
    return "run"


def kill_at_some_time(scene: Scene) -> str:
    """SIGKILL, wherever the run is by then."""
    child = _context.Process(target=_run, args=(scene.config,))
    seconds = scene.rng.uniform(0, 0.7)
    _start(child)
    time.sleep(seconds)  # any moment will do: it is the harm, not a wait
    with contextlib.suppress(ProcessLookupError):
        os.kill(child.pid or 0, signal.SIGKILL)
    status = _end_of(child)
    assert status in {KILLED, 0}, status
    return f"killed after {seconds:.2f} s" if status == KILLED else "killed too late"


def kill_before_a_write(scene: Scene) -> str:
    """SIGKILL before some change of the file system."""
    number = scene.rng.randint(1, 30)
    was_killed = killed_before_write(scene.config, number)
    return f"killed before write {number}" if was_killed else "no so many writes"


def twins(scene: Scene) -> str:
    """Several runs that begin at the same moment."""
    statuses = run_at_once(scene.config, scene.rng.randint(2, 3))
    assert set(statuses) <= {0, 5}, statuses
    return f"twins ended {statuses}"


def sleeper(scene: Scene) -> str:
    """A run that stops at some step, and wakes when another has run."""
    has_work = scene.position() != scene.world.ends()
    always = [Step.RECOVER, Step.PLAN, Step.SWEEP]
    step = scene.rng.choice(list(Step) if has_work else always)
    with StoppedRun(scene.config, step) as stopped:
        ended = scene.run()
        assert ended.status == 0, ended.errors
        status = stopped.wake()
    assert status in {0, 5}, status
    return f"slept at {step}, woke to end with {status}"


def restart_broker(scene: Scene) -> str:
    """The broker is killed and started again while a run is at work."""
    child = _context.Process(target=_run, args=(scene.config,))
    _start(child)
    time.sleep(scene.rng.uniform(0, 1))
    scene.world.kafka.kill()
    scene.world.kafka.start()
    status = _end_of(child)
    assert status in FINE, status
    return f"broker restarted, run ended with {status}"


def retention(scene: Scene) -> str:
    """Records that were loaded are deleted: nobody should notice."""
    loaded = [(place, end) for place, end in sorted(scene.position().items()) if end > 0]
    if not loaded:
        return "nothing loaded to delete"
    (topic, number), end = scene.rng.choice(loaded)
    offset = scene.rng.randint(1, end)
    scene.world.delete_before(topic, number, offset)
    return f"{topic}-{number} deleted before {offset}, loaded to {end}: {nothing(scene)}"


def expiry(scene: Scene) -> str:
    """Records are deleted before they are loaded: the run refuses, then a person accepts the loss."""
    position, ends = scene.position(), scene.world.ends()
    unloaded = [place for place in sorted(ends) if ends[place] > position.get(place, 0) and place in position]
    if not unloaded:
        return f"nothing new to expire: {nothing(scene)}"
    place = scene.rng.choice(unloaded)
    begin = position[place]
    offset = scene.rng.randint(begin + 1, ends[place])
    scene.world.delete_before(*place, offset)
    refused = scene.run()
    assert refused.status == 4, refused.errors
    assert f"{offset - begin} offsets were deleted" in refused.errors, refused.errors
    accepted = scene.run("--accept-loss")
    assert accepted.status == 0, accepted.errors
    scene.world.forget(*place, begin, offset)
    return f"{place[0]}-{place[1]} lost [{begin}, {offset}), accepted"


def grow(scene: Scene) -> str:
    """One more partition."""
    return f"partition added to {scene.world.add_partition()}"


def new_topic(scene: Scene) -> str:
    """One more topic."""
    return f"topic {scene.world.add_topic()} added"


HARMS: tuple[tuple[int, Callable[[Scene], str]], ...] = (
    (2, nothing),
    (6, kill_at_some_time),
    (6, kill_before_a_write),
    (4, twins),
    (4, sleeper),
    (1, restart_broker),
    (3, retention),
    (3, expiry),
    (1, grow),
    (1, new_topic),
)
"""With how often each comes."""
