"""`scripts/soak`: cycles of producing, harm and recovery; after each, the rows are what was ever readable.

The seed decides what is done, in which order, and after how long. At which instruction a kill comes, no seed
decides.
"""

import argparse
import random
import secrets
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from local_services.hdfs import HdfsCluster
from local_services.kafka import KafkaCluster
from tests.end_to_end.crashes import start_fork_server
from tests.end_to_end.exactly_once import _commits, _position, leftovers
from tests.end_to_end.folders import Folder, HdfsFolder, LocalFolder, read_records
from tests.end_to_end.jobs import kafka_loader, write_config
from tests.end_to_end.records import assert_same_records

from .harms import HARMS, Scene
from .world import World

MOST_TOPICS = 6
VERIFY_EVERY = 5


def main() -> int:
    """Soak until the time is up, or until something does not hold."""
    arguments = _arguments()
    seed = arguments.seed if arguments.seed is not None else secrets.randbelow(10**9)
    replay = (
        f"scripts/soak --seed {seed}{' --hdfs' if arguments.hdfs else ''} --minutes {arguments.minutes:g}"
    )
    print(f"seed {seed}; to replay: {replay}", flush=True)
    start_fork_server()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kafka-loader-soak-")))
        kafka = stack.enter_context(KafkaCluster(folder / "kafka", properties={"log.retention.ms": "-1"}))
        destination: Folder = LocalFolder(folder / "destination")
        if arguments.hdfs:
            destination = HdfsFolder(stack.enter_context(HdfsCluster(folder / "hdfs")), "/soak")
        return _soak(seed, arguments.minutes, kafka, destination, folder, replay)


def _soak(
    seed: int, minutes: float, kafka: KafkaCluster, destination: Folder, folder: Path, replay: str
) -> int:
    rng = random.Random(seed)
    world = World(kafka, rng)
    config = folder / "soak.toml"
    write_config(
        config,
        {"name": "soak", "destination": destination.url},
        ({"pattern": "soak-.*"},),
        {
            "kafka": {"bootstrap_servers": [kafka.bootstrap_servers], "stall_timeout_s": 30},
            "write": {"partition_by": "day"},
        },
    )
    scene = Scene(world, config, rng, lambda: _position_of(destination))
    for _ in range(2):
        world.add_topic()
    began_s, cycle, harms = time.monotonic(), 0, 0
    while time.monotonic() - began_s < minutes * 60:
        cycle += 1
        try:
            done = _cycle(scene, destination, cycle)
        except BaseException:
            print(f"cycle {cycle} of seed {seed} does not hold; to replay: {replay}", flush=True)
            raise
        harms += len(done)
        seconds = time.monotonic() - began_s
        print(f"{seconds:6.0f} s  cycle {cycle}  {len(world.seen):,} records  {'; '.join(done)}", flush=True)
    print(
        f"held: seed {seed}, {cycle} cycles, {harms} actions, {len(world.seen):,} records of"
        f" {len(world.partitions)} partitions, {len(_commits(destination))} commits",
        flush=True,
    )
    return 0


def _cycle(scene: Scene, destination: Folder, number: int) -> list[str]:
    world, rng = scene.world, scene.rng
    done = []
    for _ in range(rng.randint(1, 3)):
        done += [world.produce() for _ in range(rng.randint(0, 3))]
        if rng.random() < 0.15:
            done.append(world.begin_transaction())
        elif rng.random() < 0.5 and world.open is not None:
            done.append(world.end_transaction())
        world.settle()
        world.look()  # before anything is deleted
        harms = [each for each in HARMS if each[1].__name__ != "new_topic" or len(world.topics) < MOST_TOPICS]
        (harm,) = rng.choices([harm for _, harm in harms], [weight for weight, _ in harms])
        done.append(harm(scene))
    ended = scene.run()
    assert ended.status == 0, ended.errors
    _check(scene, destination)
    if number % VERIFY_EVERY == 0:
        verified = kafka_loader("verify", str(scene.config), "--json")
        assert verified.status == 0, verified.output + verified.errors
        done.append("verified")
    return done


def _check(scene: Scene, destination: Folder) -> None:
    """The oracle: the same records, each once; the position at the ends; nothing left of any run."""
    assert_same_records(read_records(destination), scene.world.seen.values())
    assert _position_of(destination) == scene.world.ends()
    assert leftovers(destination) == []


def _position_of(destination: Folder) -> dict[tuple[str, int], int]:
    commits = _commits(destination)
    return _position(commits[-1]) if commits else {}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/soak", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--minutes", type=float, default=30, help="how long; 30 by default")
    parser.add_argument("--seed", type=int, help="of an earlier soak, to do the same again")
    parser.add_argument("--hdfs", action="store_true", help="into a real HDFS instead of this disk")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
