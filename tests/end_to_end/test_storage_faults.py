"""Destinations that refuse: full at any write, closed at any folder; and files that others cut or remove."""

import ctypes
import getpass
import os
import shutil
import urllib.request
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath

import hdfs_native
import pytest

from loader.operations.listening import Step
from local_services.hdfs import HdfsCluster
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .children import NOBODY, Conditions, in_child, run_under
from .conftest import InterruptFunction, NewFolderFunction, NewJobFunction
from .crashes import killed_at_step
from .exactly_once import (
    Truth,
    assert_exactly_once,
    assert_nothing_is_half_visible,
    leftovers,
    truth_of,
)
from .folders import Folder, LocalFolder, commit_paths, published_paths, staged_paths
from .jobs import Ended, Job, kafka_loader
from .producing import HOUR_MS, T0_MS, messages, produce
from .records import assert_same_records

DONE, FIX_IT, RUN_AGAIN, PERSON_DECIDES = 0, 2, 3, 4


@pytest.fixture
def topic(kafka: KafkaCluster, new_topic: NewTopicFunction) -> str:
    """Two partitions with 10 records each, of different hours: two files."""
    topic = new_topic(partitions=2)
    produce(kafka, topic, messages(10) + messages(10, partition=1, timestamp_ms=T0_MS + HOUR_MS))
    return topic


@pytest.fixture
def truth(kafka: KafkaCluster, topic: str) -> Truth:
    return truth_of(kafka, {topic: 2})


def assert_told(ended: Ended, status: int, folder: Folder) -> None:
    """It ended so, and names a path of the destination; failures of a topic are in the report."""
    assert ended.status == status, ended
    assert f"{folder.url}/" in ended.errors, ended


class TestFull:
    """Limits are raised step by step, from nothing until a run finds room: each step another write fails."""

    @pytest.mark.parametrize(("option", "step"), [("size", 4096), ("nr_inodes", 1)])
    def test_a_disk_without_room_for_a_write_loses_and_doubles_nothing(
        self, option: str, step: int, topic: str, truth: Truth, tmp_path: Path, new_job: NewJobFunction
    ) -> None:
        job = new_job(topic)

        ended = in_child(fill_small_disks, job, f"{option}={{}}", step, tmp_path / "copies")

        names = {"job.json", ".parquet", "commit.json"}
        if option == "nr_inodes":
            names |= {"run.json", "commits/00000000000000000001.json", f"{topic}/dt="}
        if ended is None:  # no mounts for this user: then files may not grow
            names = {"run.json", ".parquet"}
            ended = run_with_small_files(job, tmp_path / "copies")
        for number, each in enumerate(ended[:-1]):
            assert_told(each, RUN_AGAIN, job.folder)
            assert_nothing_is_half_visible(LocalFolder(tmp_path / f"copies/{number}-full"), truth)
        assert ended[-1].status == DONE
        for number in range(len(ended)):
            assert_exactly_once(LocalFolder(tmp_path / f"copies/{number}-finished"), truth)
        assert_told_of(names, ended)

    def test_a_limit_of_file_sizes_loses_and_doubles_nothing(
        self, topic: str, truth: Truth, tmp_path: Path, new_job: NewJobFunction
    ) -> None:
        job = new_job(topic)

        ended = run_with_small_files(job, tmp_path / "copies")

        for number, each in enumerate(ended[:-1]):
            assert_told(each, RUN_AGAIN, job.folder)
            assert_nothing_is_half_visible(LocalFolder(tmp_path / f"copies/{number}-full"), truth)
        for number in range(len(ended)):
            assert_exactly_once(LocalFolder(tmp_path / f"copies/{number}-finished"), truth)
        assert_told_of({"run.json", ".parquet"}, ended)

    def test_a_quota_of_names_on_hdfs_loses_and_doubles_nothing(
        self,
        hdfs: HdfsCluster,
        topic: str,
        truth: Truth,
        new_job: NewJobFunction,
        new_folder: NewFolderFunction,
    ) -> None:
        def run_with(quota: int) -> Ended:
            job = new_job(topic, folder=new_folder("hdfs"), write={"partition_by": "none"})
            return run_with_quota(hdfs, job, truth, namespacequota=quota)

        ended: list[Ended] = []
        with ThreadPoolExecutor(16) as threads:  # most of the time is spent waiting
            while not ended or ended[-1].status:
                ended += threads.map(run_with, range(len(ended) + 1, len(ended) + 17))

        statuses = [each.status for each in ended]
        assert statuses == sorted(statuses, reverse=True)
        assert set(statuses) == {RUN_AGAIN, DONE}
        names = {
            "job.json",
            "run.json",
            ".parquet",
            "commit.json",
            "/commits: cannot make a folder",
            f"/{topic}: cannot make a folder",
        }
        assert_told_of(names, ended)

    def test_a_quota_of_space_on_hdfs_loses_and_doubles_nothing(
        self,
        hdfs: HdfsCluster,
        topic: str,
        truth: Truth,
        new_job: NewJobFunction,
        new_folder: NewFolderFunction,
    ) -> None:
        # Files that end at the same time need a block each: with one of them the commit is the last to stop.
        one_file = {"partition_by": "none"}
        example = new_job(topic, write=one_file)
        killed_at_step(example.config, Step.COMMIT)
        written = sorted(example.folder.paths(), key=lambda path: path.endswith(".parquet"))
        sizes = [len(example.folder.read(path)) for path in written]
        # Each file needs room for a block until it is closed: a limit in mid-file stops the next one.
        room = [
            BLOCK_BYTES - 1,
            *(BLOCK_BYTES + sum(sizes[:number]) - 20 for number in range(1, len(sizes) + 1)),
        ]

        def run_with(quota: int) -> Ended:
            return run_with_quota(
                hdfs,
                new_job(topic, folder=new_folder("hdfs"), write=one_file),
                truth,
                storagespacequota=quota,
            )

        with ThreadPoolExecutor(len(room)) as threads:
            ended = list(threads.map(run_with, room))

        assert [each.status for each in ended] == [RUN_AGAIN] * len(room)
        assert_told_of({"job.json", "run.json", ".parquet", "commit.json"}, ended)


BLOCK_BYTES = 128 << 20
"""dfs.blocksize, by default."""


def fill_small_disks(job: Job, option: str, step: int, copies: Path) -> list[Ended] | None:
    """Run a job on ever larger disks until one holds it; how each run ended. None where it cannot mount.

    In a child: what it mounts, only it can see. It copies each destination as it was when the disk was full,
    and as the next run left it, when there was room again.
    """
    disk = Path(job.folder.url.removeprefix("file://"))
    disk.mkdir()
    if not has_own_mounts():
        return None
    ended: list[Ended] = []
    while not ended or ended[-1].status:
        number = len(ended)
        mount(disk, option.format(step * (number + 1)))
        ended.append(run_here(job))
        shutil.copytree(disk, copies / f"{number}-full")
        mount(disk, "size=16m,nr_inodes=1000", MS_REMOUNT)
        assert run_here(job).status == DONE
        shutil.copytree(disk, copies / f"{number}-finished")
        libc.umount(os.fsencode(disk))
    return ended


def run_here(job: Job) -> Ended:
    return kafka_loader("run", str(job.config), "--json", "--processes", "1")


libc = ctypes.CDLL(None, use_errno=True)
MS_REMOUNT, MS_REC, MS_PRIVATE = 1 << 5, 1 << 14, 1 << 18
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000


def has_own_mounts() -> bool:
    """Give this process a mount namespace of its own, if the kernel lets this user."""
    user_id, group_id = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWNS if user_id == 0 else CLONE_NEWNS | CLONE_NEWUSER):
        return False
    if user_id:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user_id} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group_id} 1")
    return bool(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) == 0)


def mount(folder: Path, options: str, flags: int = 0) -> None:
    if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags, options.encode()):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def run_with_small_files(job: Job, copies: Path) -> list[Ended]:
    """As `fill_small_disks`, for files that may only grow to a limit, which is raised fourfold."""
    destination = Path(job.folder.url.removeprefix("file://"))
    ended: list[Ended] = []
    while not ended or ended[-1].status:
        number = len(ended)
        ended.append(run_under(Conditions(file_size_bytes=100 << 2 * number), job.config))
        if destination.exists():
            shutil.copytree(destination, copies / f"{number}-full")
        assert run_under(Conditions(), job.config).status == DONE
        destination.rename(copies / f"{number}-finished")
    return ended


def run_with_quota(hdfs: HdfsCluster, job: Job, truth: Truth, **quota: int) -> Ended:
    """Run a job where the quota is, then where there is none, which finishes what the first left."""
    path = job.folder.url.removeprefix(hdfs.url)
    hdfs_native.Client(hdfs.url).mkdirs(path, 0o755, create_parent=True)
    set_quota(hdfs, path, **quota)
    ended = run_under(Conditions(), job.config)
    if ended.status:
        assert_told(ended, RUN_AGAIN, job.folder)
    assert_nothing_is_half_visible(job.folder, truth)
    set_quota(hdfs, path, **dict.fromkeys(quota, NO_QUOTA))
    assert run_under(Conditions(), job.config).status == DONE
    assert_exactly_once(job.folder, truth)
    return ended


NO_QUOTA = -1


def set_quota(hdfs: HdfsCluster, path: str, **quota: int) -> None:
    options = "".join(f"&{name}={value}" for name, value in quota.items())
    address = f"{hdfs.web_page}/webhdfs/v1{path}?op=SETQUOTA&user.name={getpass.getuser()}{options}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it never leaves the machine
    opener.open(urllib.request.Request(address, method="PUT"), timeout=30).close()  # noqa: S310 - http


def assert_told_of(names: Iterable[str], ended: Iterable[Ended]) -> None:
    """Each of the names is in the path of which one of the runs complained."""
    told = [each.errors for each in ended]
    for name in names:
        assert any(name in text for text in told), (name, told)


class TestDenied:
    @pytest.mark.parametrize("kind", ["local", "hdfs"])
    def test_a_folder_closed_to_writing_loses_and_doubles_nothing(
        self,
        kind: str,
        topic: str,
        truth: Truth,
        tmp_path: Path,
        new_folder: NewFolderFunction,
        new_job: NewJobFunction,
    ) -> None:
        open_to_all(tmp_path)
        hour = "dt=2024-02-29/hour=10"
        ledger = [f"_loader/job/{name}" for name in ("runs", "commits", "newest")]

        def run_with_closed(closed: str) -> None:
            folder = new_folder(kind)
            job = new_job(topic, folder=folder)
            assert run_under(Conditions(), new_job(topic, folder=folder, limits=SOME).config).status == DONE
            change_modes(folder, folders_in(folder) | {*ledger}, 0o777)
            change_modes(folder, [closed], 0o555)

            ended = run_under(STRANGERS[kind], job.config)

            assert_told(ended, FIX_IT, folder)
            assert closed in ended.errors
            is_committed = closed.endswith(("newest", hour))
            assert ("Commit 2 stands: its rows are safe" in ended.errors) == is_committed
            assert_nothing_is_half_visible(folder, truth)
            change_modes(folder, [closed], 0o777)
            assert run_under(Conditions(), job.config).status == DONE
            assert_exactly_once(folder, truth)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(run_with_closed, [*ledger, f"{topic}/{hour}"]))

    @pytest.mark.parametrize(
        ("closed", "mode"),
        [
            ("", 0),
            ("_loader", 0),
            ("_loader/job", 0),
            ("_loader/job/commits", 0),
            ("_loader/job/commits", 0o333),
        ],
    )
    def test_a_ledger_that_may_not_be_read_is_no_fresh_start(
        self,
        closed: str,
        mode: int,
        topic: str,
        tmp_path: Path,
        local_folder: LocalFolder,
        new_job: NewJobFunction,
    ) -> None:
        open_to_all(tmp_path)
        job = new_job(topic)
        job.run()
        before = local_folder.paths()
        change_modes(local_folder, [closed], mode)

        ended = run_under(STRANGERS["local"], job.config)

        change_modes(local_folder, [closed], 0o755)
        assert ended.status == FIX_IT
        assert f"{local_folder.url}/{closed}".rstrip("/") in ended.errors
        assert local_folder.paths() == before


SOME = {"max_records": 8}
STRANGERS = {
    "local": Conditions(user_id=NOBODY),
    "hdfs": Conditions(environment={"HADOOP_USER_NAME": "stranger"}),
}


def open_to_all(folder: Path) -> None:
    """A user who is denied nothing must be another: who needs to get to his own files."""
    for each in (folder, *folder.parents[:3]):
        each.chmod(0o755)


def folders_in(folder: Folder) -> set[str]:
    """Every folder with a file somewhere in it, and the destination itself."""
    return {str(parent).strip(".") for path in folder.paths() for parent in PurePath(path).parents}


def change_modes(folder: Folder, paths: Iterable[str], mode: int) -> None:
    for path in paths:
        if isinstance(folder, LocalFolder):
            (folder.path / path).chmod(mode)
        else:
            root, _, rest = folder.url.removeprefix("hdfs://").partition("/")
            hdfs_native.Client(f"hdfs://{root}").set_permission(f"/{rest}/{path}".rstrip("/"), mode)


def cut(folder: Folder, path: str) -> None:
    write(folder, path, b"")


def shorten(folder: Folder, path: str) -> None:
    write(folder, path, folder.read(path)[:-1])


def remove(folder: Folder, path: str) -> None:
    if isinstance(folder, LocalFolder):
        (folder.path / path).unlink()
    else:
        client, full = hdfs_path(folder, path)
        client.delete(full)


def write(folder: Folder, path: str, content: bytes) -> None:
    if isinstance(folder, LocalFolder):
        (folder.path / path).write_bytes(content)
    else:
        client, full = hdfs_path(folder, path)
        with client.create(full, hdfs_native.WriteOptions(overwrite=True)) as file:
            file.write(content)


def hdfs_path(folder: Folder, path: str) -> tuple[hdfs_native.Client, str]:
    namenode, _, root = folder.url.removeprefix("hdfs://").partition("/")
    return hdfs_native.Client(f"hdfs://{namenode}"), f"/{root}/{path}"


class TestChangedByOthers:
    """Of two staged files one is harmed, when a run comes to a step."""

    @pytest.mark.parametrize(
        ("kind", "harm", "step"),
        [
            ("local", cut, Step.CHECK),
            ("local", shorten, Step.COMMIT),
            ("local", remove, Step.COMMIT),
            ("hdfs", cut, Step.COMMIT),
        ],
    )
    def test_a_file_harmed_before_the_commit_is_loaded_again(
        self,
        kind: str,
        harm: Callable[[Folder, str], None],
        step: Step,
        topic: str,
        truth: Truth,
        new_folder: NewFolderFunction,
        new_job: NewJobFunction,
        interrupt: InterruptFunction,
    ) -> None:
        folder = new_folder(kind)
        job = new_job(topic, folder=folder)
        interrupt(step, lambda: harm(folder, staged_file(folder)))

        ended = job.try_run()

        assert_told(ended, RUN_AGAIN, folder)
        assert ".parquet" in ended.errors
        assert commit_paths(folder) + published_paths(folder) + leftovers(folder) == []
        job.run()
        assert_exactly_once(folder, truth)

    @pytest.mark.parametrize("harm", [cut, shorten, remove])
    def test_a_file_harmed_after_that_is_named_and_not_published(
        self,
        harm: Callable[[Folder, str], None],
        topic: str,
        truth: Truth,
        local_folder: LocalFolder,
        new_job: NewJobFunction,
        interrupt: InterruptFunction,
    ) -> None:
        job = new_job(topic)
        backup: list[tuple[str, bytes]] = []

        def harm_one() -> None:
            path = staged_file(local_folder)
            backup.append((path, local_folder.read(path)))
            harm(local_folder, path)

        interrupt(Step.PUBLISH, harm_one)

        ended = [job.try_run(), job.try_run()]

        ((path, content),) = backup
        for each in ended:
            assert each.status == PERSON_DECIDES
            assert path in each.errors
        assert len(commit_paths(local_folder)) == 1
        assert_nothing_is_half_visible(local_folder, truth)
        assert len(published_paths(local_folder)) < 2
        write(local_folder, path, content)
        job.run()
        assert_exactly_once(local_folder, truth)

    def test_a_published_file_that_is_removed_does_not_disturb_the_next_run(
        self,
        kafka: KafkaCluster,
        topic: str,
        truth: Truth,
        local_folder: LocalFolder,
        new_job: NewJobFunction,
    ) -> None:
        job = new_job(topic)
        job.run()
        removed = next(path for path in published_paths(local_folder) if f"{topic}-0-0-9-" in path)
        remove(local_folder, removed)
        produce(kafka, topic, messages(10, first=10))

        report = job.run()

        assert report["row_count"] == 10
        everything = truth_of(kafka, {topic: 2})
        lost = {record.place for record in truth.records if record.partition == 0}
        assert_same_records(job.records(), [each for each in everything.records if each.place not in lost])


def staged_file(folder: Folder) -> str:
    return next(path for path in staged_paths(folder) if path.endswith(".parquet"))
