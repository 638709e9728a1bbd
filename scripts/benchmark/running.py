"""One workload by several competitors, in turn."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark.checks import fingerprint_of_files, require_same, visible_files
from benchmark.competitors import Child, Competitor
from benchmark.errors import BenchmarkError
from benchmark.measuring import Meter
from benchmark.places import OUTPUT_FOLDER
from benchmark.producing import ReadyWorkload
from local_services.hdfs import HdfsCluster

Turns = dict[str, list[dict[str, Any]]]
"""By competitor, what each turn took."""


def run_in_turn(
    ready: ReadyWorkload,
    competitors: Sequence[Competitor],
    turn_count: int,
    servers: Iterable[int],
    say: Callable[[str], None],
    hdfs: HdfsCluster | None = None,
    warm: dict[str, Child] | None = None,
) -> Turns:
    """Every competitor once, then every one again, and so on: A B A B.

    servers  process ids of brokers and file system, whose CPU time is kept apart
    warm     competitors that run already, by name; they stay

    Raises BenchmarkError when an output is wrong.
    """
    name = ready.workload.name
    turns: Turns = {competitor.name: [] for competitor in competitors}
    with ExitStack() as stack:
        children = dict(warm or {})
        for number in range(turn_count + 1):
            for competitor in competitors:
                counts = number > 0
                if not counts and not competitor.warms_up:
                    continue
                if number > competitor.turns(name, turn_count):
                    continue
                child = children.get(competitor.name)
                if child is None:
                    child = stack.enter_context(competitor.start())
                    if not competitor.is_fresh:
                        children[competitor.name] = child
                what = f"{name} {competitor.name}"
                try:
                    turn = _one_turn(ready, competitor, child, tuple(servers), hdfs)
                finally:
                    if competitor.is_fresh:
                        child.stop()
                say(f"{what:28} {'turn ' + str(number) if counts else 'warm-up':8} {_told(turn)}")
                turns[competitor.name].append({**turn, "counts": counts})
    return turns


def _one_turn(
    ready: ReadyWorkload,
    competitor: Competitor,
    child: Child,
    servers: tuple[int, ...],
    hdfs: HdfsCluster | None,
) -> dict[str, Any]:
    folder = OUTPUT_FOLDER / f"{ready.workload.name}-{competitor.name}"
    _remove(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    output = folder.as_uri()
    if ready.workload.into_hdfs:
        if hdfs is None:
            raise BenchmarkError(f"{ready.workload.name} needs an HDFS")
        output = f"{hdfs.url}/benchmark/{folder.name}"
        _clear_hdfs(hdfs, f"/benchmark/{folder.name}")
    asked = {**ready.as_document(), "output": output}
    asked["workload"] = asked.pop("name")
    with Meter(child.pid, servers) as meter:
        answer = child.load(asked)
    if hdfs is not None and ready.workload.into_hdfs:
        _copy_from_hdfs(hdfs, f"/benchmark/{folder.name}", folder)
        _clear_hdfs(hdfs, f"/benchmark/{folder.name}")
    who = f"{competitor.name} on {ready.workload.name}"
    written_bytes = sum(file.stat().st_size for file in visible_files(folder)) if folder.exists() else 0
    if competitor.is_checked:
        require_same(fingerprint_of_files(folder, is_typed=ready.workload.is_typed), ready.reference, who)
    elif answer["rows"] != ready.reference.count:
        raise BenchmarkError(f"{who}: read {answer['rows']:,} records, not {ready.reference.count:,}")
    _remove(folder)
    return {**answer, **asdict(meter.cost), "written_bytes": written_bytes}


def _told(turn: dict[str, Any]) -> str:
    written = f", {turn['written_bytes'] / 1e6:,.0f} MB written" if turn["written_bytes"] else ""
    return (
        f"{turn['seconds']:7.2f} s, {turn['cpu_s']:6.2f} s of CPU,"
        f" {turn['peak_rss_bytes'] / 2**20:6,.0f} MiB{written}"
    )


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    Path(f"{folder}.toml").unlink(missing_ok=True)


def _clear_hdfs(hdfs: HdfsCluster, path: str) -> None:
    import hdfs_native

    hdfs_native.Client(hdfs.url).delete(path, recursive=True)


def _copy_from_hdfs(hdfs: HdfsCluster, path: str, folder: Path) -> None:
    """Bring what was written to this disk, where it can be checked like the others'."""
    import hdfs_native

    client = hdfs_native.Client(hdfs.url)
    for status in client.list_status(path, recursive=True):
        target = folder / status.path.removeprefix(f"{path}/")
        if status.isdir or target.suffix != ".parquet":
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with client.read(status.path) as file:
            target.write_bytes(file.read())
