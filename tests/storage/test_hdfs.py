"""What can go wrong with HDFS only: lost replies, a NameNode that stops or sleeps, rights, quotas, logins."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import hdfs_native
import pytest

from loader.errors import (
    AccessDenied,
    ConfigError,
    LoaderError,
    MoveOutcomeUnknown,
    PathExists,
    PathNotFound,
    StorageFull,
    StorageUnavailable,
)
from loader.storage.deadline import DeadlinePassed, within
from loader.storage.hdfs import HdfsStorage
from loader.storage.hdfs_errors import error_for, failure_of
from local_services.artifacts import HDFS
from local_services.hdfs import HdfsCluster
from local_services.java import run_main_class
from local_services.servers import Server

from .helpers import at_once
from .rpc_proxy import Loss, RpcProxy

DEADLINE_S = 1.5

CALLS: dict[str, Callable[[HdfsStorage], Any]] = {
    "create": lambda storage: storage.create("folder/new"),
    "open": lambda storage: storage.open("folder/file"),
    "status": lambda storage: storage.status("folder/file"),
    "list": lambda storage: storage.list("folder"),
    "names": lambda storage: storage.names("folder"),
    "make_folder": lambda storage: storage.make_folder("folder/new"),
    "move": lambda storage: storage.move("folder/file", "folder/new"),
    "delete": lambda storage: storage.delete("folder/file"),
}


def write(storage: HdfsStorage, path: str, data: bytes = b"") -> None:
    with storage.create(path) as file:
        file.write(data)


def paths(storage: HdfsStorage, folder: str = "") -> list[str]:
    return [entry.path for entry in storage.list(folder)]


def administer(cluster: HdfsCluster, *arguments: str) -> None:
    """`hdfs dfsadmin`, as the superuser."""
    classpath = f"{cluster.config_folder}:{HDFS.classpath()}"
    run_main_class("org.apache.hadoop.hdfs.tools.DFSAdmin", *arguments, classpath=classpath)


def set_mode(cluster: HdfsCluster, storage: HdfsStorage, path: str, mode: int) -> None:
    full = f"{storage.url}/{path}".rstrip("/").removeprefix(cluster.url)
    hdfs_native.Client(cluster.url).set_permission(full, mode)


def wait_until(condition: Callable[[], bool], deadline_s: float = 20) -> None:
    give_up = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < give_up, "it did not come true"
        time.sleep(0.05)


def rpc(exception: str, message: str) -> RuntimeError:
    """As hdfs-native shows an answer of the NameNode, with Java's stack trace."""
    return RuntimeError(f'RPCError("{exception}", "{message}\\n\\tat org.apache.hadoop.Some.java:1")')


class Panic(BaseException):
    """As pyo3's PanicException, which is no Exception."""


def panicking() -> None:
    raise Panic("at once")


@pytest.fixture
def impatient(hdfs_storage: HdfsStorage) -> HdfsStorage:
    """The destination of `hdfs_storage`, with short deadlines."""
    return HdfsStorage(hdfs_storage.url, call_timeout_s=DEADLINE_S, data_timeout_s=DEADLINE_S)


@contextmanager
def asleep(server: Server) -> Iterator[None]:
    """SIGSTOP: its connections stay, and nothing answers. The shared HDFS is awake again afterwards."""
    server.process.pause()
    try:
        yield
    finally:
        server.process.resume()


@pytest.fixture
def proxy(hdfs: HdfsCluster) -> Iterator[RpcProxy]:
    with RpcProxy(hdfs.port) as proxy:
        yield proxy


@pytest.fixture
def through_proxy(proxy: RpcProxy, hdfs_storage: HdfsStorage) -> HdfsStorage:
    """The destination of `hdfs_storage`, reached by the proxy."""
    path = hdfs_storage.url.split("/", 3)[3]
    return HdfsStorage(f"hdfs://127.0.0.1:{proxy.port}/{path}", call_timeout_s=DEADLINE_S)


class TestLostReplies:
    def test_a_move_that_was_done_is_done_though_its_reply_was_lost(
        self, proxy: RpcProxy, through_proxy: HdfsStorage, hdfs_storage: HdfsStorage
    ) -> None:
        for number in range(5):
            write(hdfs_storage, "staged")
            proxy.lose("rename2", Loss.REPLY_CUT)

            through_proxy.move("staged", f"commits/{number}")

            assert paths(hdfs_storage) == ["commits"]
        assert proxy.calls_lost == 5
        assert paths(hdfs_storage, "commits") == [f"commits/{number}" for number in range(5)]

    def test_a_move_that_got_no_answer_and_is_not_done_is_of_unknown_outcome(
        self, proxy: RpcProxy, through_proxy: HdfsStorage, hdfs_storage: HdfsStorage
    ) -> None:
        write(hdfs_storage, "staged")
        proxy.lose("rename2", Loss.REQUEST_CUT)

        with pytest.raises(
            MoveOutcomeUnknown, match=r"staged: whether it was renamed to commits/1 is not known"
        ):
            through_proxy.move("staged", "commits/1")

        assert paths(hdfs_storage) == ["commits", "staged"]
        assert paths(hdfs_storage, "commits") == []

    @pytest.mark.parametrize("loss", [Loss.REPLY_HELD, Loss.REQUEST_HELD], ids=lambda loss: loss.name)
    def test_a_silent_connection_ends_at_the_deadline_with_nothing_untrue(
        self, proxy: RpcProxy, through_proxy: HdfsStorage, hdfs_storage: HdfsStorage, loss: Loss
    ) -> None:
        write(hdfs_storage, "staged")
        proxy.lose("rename2", loss)
        started = time.monotonic()

        with pytest.raises(MoveOutcomeUnknown, match=r"no answer within 1\.5 s"):
            through_proxy.move("staged", "commits/1")

        assert time.monotonic() - started < 2 * DEADLINE_S + 2
        done = loss is Loss.REPLY_HELD
        assert paths(hdfs_storage) == (["commits"] if done else ["commits", "staged"])

    @pytest.mark.parametrize("loss", [Loss.REPLY_CUT, Loss.REQUEST_CUT], ids=lambda loss: loss.name)
    def test_another_who_was_faster_is_not_taken_for_us(
        self, proxy: RpcProxy, through_proxy: HdfsStorage, hdfs_storage: HdfsStorage, loss: Loss
    ) -> None:
        write(hdfs_storage, "staged")
        write(hdfs_storage, "commits/1")  # as empty as ours, and made in the same instant
        proxy.lose("rename2", loss)

        with pytest.raises(PathExists, match="commits/1"):
            through_proxy.move("staged", "commits/1")

        assert paths(hdfs_storage) == ["commits", "staged"]

    def test_a_source_that_vanished_and_a_target_that_is_anothers_prove_nothing(
        self, proxy: RpcProxy, through_proxy: HdfsStorage, hdfs_storage: HdfsStorage
    ) -> None:
        write(hdfs_storage, "staged", b"mine")
        write(hdfs_storage, "commits/1", b"another's")

        def swept(path: str) -> None:  # noqa: ARG001 - between the first look and the request
            hdfs_storage.delete("staged")
            proxy.lose("rename2", Loss.REPLY_CUT)

        through_proxy.make_folder = swept  # type: ignore[method-assign]

        with pytest.raises(MoveOutcomeUnknown):
            through_proxy.move("staged", "commits/1")

        assert hdfs_storage.read("commits/1") == b"another's"

    @pytest.mark.parametrize("method", ["create", "complete"])
    def test_a_file_whose_beginning_or_end_was_not_confirmed_is_not_taken_for_written(
        self, proxy: RpcProxy, through_proxy: HdfsStorage, hdfs_storage: HdfsStorage, method: str
    ) -> None:
        proxy.lose(method, Loss.REPLY_CUT)

        with pytest.raises(StorageUnavailable, match="the connection was cut"):
            write(through_proxy, "file", b"content")

        assert proxy.calls_lost == 1
        if method == "create":
            assert hdfs_storage.status("file").size_bytes == 0
        else:
            assert paths(hdfs_storage) == []

    @pytest.mark.parametrize("name", ["status", "list", "open", "make_folder", "delete"])
    def test_what_can_be_repeated_is_repeated(
        self, proxy: RpcProxy, through_proxy: HdfsStorage, hdfs_storage: HdfsStorage, name: str
    ) -> None:
        write(hdfs_storage, "folder/file")
        for method in ("getFileInfo", "getListing", "getBlockLocations", "mkdirs", "delete"):
            proxy.lose(method, Loss.REPLY_CUT)

        CALLS[name](through_proxy)

        assert proxy.calls_lost == 1

    def test_a_listing_is_complete_or_an_error(
        self, proxy: RpcProxy, through_proxy: HdfsStorage, hdfs_storage: HdfsStorage
    ) -> None:
        write(hdfs_storage, "folder/file")
        proxy.lose("getListing", Loss.REPLY_CUT, times=1000)

        with pytest.raises(StorageUnavailable, match="folder: cannot list it"):
            through_proxy.list("folder")


class TestNameNodeAway:
    def test_a_sleeping_one_ends_every_call_at_the_deadline(
        self, hdfs: HdfsCluster, hdfs_storage: HdfsStorage, impatient: HdfsStorage
    ) -> None:
        write(hdfs_storage, "folder/file")
        impatient.status("folder/file")
        started = time.monotonic()

        with asleep(hdfs.namenode):
            results = at_once([partial(call, impatient) for call in CALLS.values()])

        assert time.monotonic() - started < DEADLINE_S + 2
        for result in results:
            # Nothing was asked to move yet: so a move, too, is known not to be done.
            assert type(result) is StorageUnavailable
            assert hdfs.url in str(result)
            assert "no answer within 1.5 s, though" in str(result)
            assert "run again" in str(result)

    def test_one_that_falls_asleep_in_a_move_may_still_do_it(
        self, hdfs: HdfsCluster, hdfs_storage: HdfsStorage, impatient: HdfsStorage
    ) -> None:
        write(hdfs_storage, "staged")
        make_folder = impatient.make_folder

        with ExitStack() as until_end:

            def make_folder_and_sleep(path: str) -> None:  # the last step before the request
                make_folder(path)
                until_end.enter_context(asleep(hdfs.namenode))

            impatient.make_folder = make_folder_and_sleep  # type: ignore[method-assign]
            with pytest.raises(MoveOutcomeUnknown, match="may still be renamed later"):
                impatient.move("staged", "commits/1")

        wait_until(lambda: paths(hdfs_storage, "commits") == ["commits/1"])

    def test_a_call_that_hangs_does_not_hold_up_the_end_of_the_process(
        self, hdfs: HdfsCluster, hdfs_storage: HdfsStorage
    ) -> None:
        script = f"""
import sys
from loader.errors import LoaderError
from loader.storage.hdfs import HdfsStorage
storage = HdfsStorage({hdfs_storage.url!r}, call_timeout_s=1)
try:
    storage.status("file")
except LoaderError as error:
    sys.exit(error.exit_status)
"""
        started = time.monotonic()
        with asleep(hdfs.namenode):
            done = subprocess.run([sys.executable, "-c", script], timeout=30, check=False)

        assert done.returncode == 3
        assert time.monotonic() - started < 10

    def test_a_killed_one_is_unavailable_and_comes_back_to_the_same_storage(
        self, hdfs: HdfsCluster, hdfs_storage: HdfsStorage, impatient: HdfsStorage
    ) -> None:
        write(hdfs_storage, "folder/file")
        hdfs.namenode.kill()

        try:
            started = time.monotonic()
            # Those that would still be carried out when it is back are left out.
            calls = [CALLS[name] for name in ("status", "list", "open", "move")]
            results = at_once([partial(call, impatient) for call in calls])
            assert time.monotonic() - started < DEADLINE_S + 2
        finally:
            hdfs.start()

        for result in results:
            assert type(result) is StorageUnavailable
            assert "fails: Connection refused" in str(result)
        assert paths(hdfs_storage, "folder") == ["folder/file"]

    def test_in_safe_mode_it_is_read_and_not_changed(
        self, hdfs: HdfsCluster, hdfs_storage: HdfsStorage
    ) -> None:
        write(hdfs_storage, "folder/file")
        administer(hdfs, "-safemode", "enter")

        try:
            assert paths(hdfs_storage, "folder") == ["folder/file"]
            for name in ("create", "make_folder", "delete", "move"):
                with pytest.raises(StorageUnavailable, match="is in safe mode") as caught:
                    CALLS[name](hdfs_storage)
                assert not isinstance(caught.value, MoveOutcomeUnknown)
        finally:
            administer(hdfs, "-safemode", "leave")

        assert paths(hdfs_storage, "folder") == ["folder/file"]

    def test_a_file_whose_datanode_sleeps_is_abandoned(
        self, hdfs: HdfsCluster, hdfs_storage: HdfsStorage, impatient: HdfsStorage
    ) -> None:
        hdfs_storage.make_folder("")

        with asleep(hdfs.datanodes[0]), pytest.raises(StorageUnavailable, match="file: cannot"):
            write(impatient, "file", b"x" * (3 << 20))

        assert paths(hdfs_storage) == []


class TestRights:
    @pytest.mark.parametrize("name", CALLS)
    def test_without_them_access_is_denied_and_nothing_looks_missing(
        self, hdfs_storage: HdfsStorage, hdfs: HdfsCluster, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        write(hdfs_storage, "folder/file")
        set_mode(hdfs, hdfs_storage, "folder", 0o700)
        monkeypatch.setenv("HADOOP_USER_NAME", "stranger")

        with pytest.raises(AccessDenied, match=r"Permission denied: user=stranger.*HADOOP_USER_NAME"):
            CALLS[name](hdfs_storage)

        monkeypatch.undo()
        assert paths(hdfs_storage, "folder") == ["folder/file"]

    def test_a_move_into_a_closed_folder_leaves_the_file(
        self, hdfs_storage: HdfsStorage, hdfs: HdfsCluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(hdfs_storage, "closed/file")
        set_mode(hdfs, hdfs_storage, "closed", 0o700)
        set_mode(hdfs, hdfs_storage, "", 0o777)
        monkeypatch.setenv("HADOOP_USER_NAME", "stranger")
        write(hdfs_storage, "open/mine")

        with pytest.raises(AccessDenied, match="user=stranger"):
            hdfs_storage.move("open/mine", "closed/mine")

        assert paths(hdfs_storage, "open") == ["open/mine"]


class TestQuota:
    def test_a_full_quota_is_no_space_left(self, hdfs_storage: HdfsStorage, hdfs: HdfsCluster) -> None:
        write(hdfs_storage, "narrow/first")
        write(hdfs_storage, "other")
        hdfs_path = hdfs_storage.url.removeprefix(hdfs.url)
        administer(hdfs, "-setQuota", "2", f"{hdfs_path}/narrow")

        with pytest.raises(StorageFull, match=r"NSQuotaExceededException.*raise the quota"):
            hdfs_storage.create("narrow/second")
        with pytest.raises(StorageFull, match="NSQuotaExceededException"):
            hdfs_storage.move("other", "narrow/second")

        assert paths(hdfs_storage) == ["narrow", "other"]
        assert paths(hdfs_storage, "narrow") == ["narrow/first"]

    def test_space_that_runs_out_in_mid_file_leaves_no_file(
        self, hdfs_storage: HdfsStorage, hdfs: HdfsCluster
    ) -> None:
        hdfs_storage.make_folder("narrow")
        hdfs_path = hdfs_storage.url.removeprefix(hdfs.url)
        administer(hdfs, "-setSpaceQuota", str(2 << 20), f"{hdfs_path}/narrow")

        with pytest.raises(StorageFull, match="DSQuotaExceededException"):
            write(hdfs_storage, "narrow/file", b"x" * (5 << 20))

        assert paths(hdfs_storage, "narrow") == []


class TestWriting:
    def test_a_file_deleted_by_another_meanwhile_is_not_finished(self, hdfs_storage: HdfsStorage) -> None:
        file = hdfs_storage.create("file")
        file.write(b"content")
        hdfs_storage.delete("file")

        with pytest.raises(StorageUnavailable, match="Another deleted, moved or replaced it"):
            file.__exit__(None, None, None)

        with pytest.raises(PathNotFound):
            hdfs_storage.status("file")

    def test_memory_stays_that_of_a_few_pieces(self, hdfs_storage: HdfsStorage) -> None:
        with hdfs_storage.create("file") as file:
            for _ in range(40):
                file.write(b"x" * 100_000)
                assert len(file._pending) < 1 << 20  # type: ignore[attr-defined]

        assert hdfs_storage.status("file").size_bytes == 4_000_000


class TestReading:
    @pytest.mark.parametrize("size", [-1, 3_000_000], ids=["all", "a large part"])
    def test_much_is_read_in_few_calls(
        self, hdfs_storage: HdfsStorage, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        write(hdfs_storage, "file", b"x" * 3_000_000)
        calls: list[str] = []
        transfer = hdfs_storage.transfer

        def counted(verb: str, path: str, call: Callable[[], Any]) -> Any:
            calls.append(verb)
            return transfer(verb, path, call)

        monkeypatch.setattr(hdfs_storage, "transfer", counted)

        with hdfs_storage.open("file") as file:
            assert file.read(size) == b"x" * 3_000_000

        assert calls.count("read") <= 2  # each opens a stream at a DataNode


class TestFork:
    def test_a_child_of_a_process_that_used_hdfs_ends_as_it_wants(self, hdfs_storage: HdfsStorage) -> None:
        # Not os._exit, as in the other tests: here the child's interpreter tears down what it inherited.
        write(hdfs_storage, "file", b"content")
        script = f"""
import os, sys
from loader.storage.hdfs import HdfsStorage
storage = HdfsStorage({hdfs_storage.url!r}, call_timeout_s=10, data_timeout_s=10)
assert storage.read("file") == b"content"
half_read = storage.open("file")
child = os.fork()
if child == 0:
    assert storage.read("file") == b"content"
    del storage, half_read
    sys.exit(7)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
        done = subprocess.run([sys.executable, "-c", script], timeout=30, check=False)

        assert done.returncode == 7


class TestAddress:
    @pytest.mark.parametrize("name", ["status", "create", "move"])
    def test_a_name_that_is_no_nameservice_needs_a_port(self, name: str) -> None:
        with pytest.raises(
            ConfigError, match=r"hdfs://nosuchservice/folder.*hdfs-site\.xml.*hdfs://host:8020"
        ):
            CALLS[name](HdfsStorage("hdfs://nosuchservice/folder"))

    def test_a_nameservice_is_found_by_the_hadoop_configuration(
        self, hdfs: HdfsCluster, hdfs_storage: HdfsStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(hdfs_storage, "file", b"content")
        (tmp_path / "hdfs-site.xml").write_text(f"""<configuration>
            <property><name>dfs.nameservices</name><value>cluster</value></property>
            <property><name>dfs.ha.namenodes.cluster</name><value>gone,here</value></property>
            <property><name>dfs.namenode.rpc-address.cluster.gone</name><value>127.0.0.1:1</value></property>
            <property><name>dfs.namenode.rpc-address.cluster.here</name><value>127.0.0.1:{hdfs.port}</value></property>
            </configuration>""")
        monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
        path = hdfs_storage.url.removeprefix(hdfs.url)

        assert HdfsStorage(f"hdfs://cluster{path}").read("file") == b"content"

    def test_a_port_where_no_namenode_listens_is_unavailable(self) -> None:
        with pytest.raises(StorageUnavailable, match=r"Connection refused.*hdfs://127\.0\.0\.1:1 is up"):
            HdfsStorage("hdfs://127.0.0.1:1/folder", call_timeout_s=0.5).status("file")


class TestErrors:
    """Texts as hdfs-native 0.14.7 gives them; those of logins as its source says, for want of a Kerberos."""

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (RuntimeError("NoSASLMechanism"), AccessDenied),
            (RuntimeError('SASLError("No valid token found")'), AccessDenied),
            (
                RuntimeError('GSSAPIError(GSS_S_NO_CRED, 0, "No Kerberos credentials available")'),
                AccessDenied,
            ),
            (OSError("libgssapi_krb5.so.2: cannot open shared object file"), AccessDenied),
            (rpc("org.apache.hadoop.security.token.SecretManager$InvalidToken", "expired"), AccessDenied),
            (rpc("org.apache.hadoop.security.authorize.AuthorizationException", "not allowed"), AccessDenied),
            (OSError("No such file or directory (os error 2)"), StorageUnavailable),
            (OSError("RPC listener disconnected"), StorageUnavailable),
            (OSError("failed to lookup address information"), StorageUnavailable),
            (
                rpc("org.apache.hadoop.ipc.StandbyException", "not supported in state standby"),
                StorageUnavailable,
            ),
            (
                rpc("java.io.IOException", "could only be written to 0 of the 1 minReplication"),
                StorageUnavailable,
            ),
            (RuntimeError("panicked: index out of bounds"), StorageUnavailable),
            (DeadlinePassed("no answer within 60 s"), StorageUnavailable),
            (RuntimeError("XmlParseError(UnexpectedEndOfStream)"), ConfigError),
            (NotImplementedError("File encryption"), ConfigError),
        ],
        ids=str,
    )
    def test_only_an_answer_about_the_path_is_an_answer_about_the_path(
        self, error: Exception, kind: type[LoaderError]
    ) -> None:
        found = error_for(error, "hdfs://nn:8020/data/file", "look at", "hdfs://nn:8020")

        assert type(found) is kind
        assert "hdfs://nn:8020/data/file: cannot look at it" in str(found)

    def test_a_refusal_is_known_from_a_silence(self) -> None:
        refused = failure_of(
            rpc("org.apache.hadoop.hdfs.protocol.FSLimitException$PathComponentTooLongException", "x")
        )

        assert (refused.exception, refused.is_answer) == ("PathComponentTooLongException", True)
        for silence in (
            OSError("RPC listener disconnected"),
            DeadlinePassed(""),
            RuntimeError("panicked: x"),
        ):
            assert not failure_of(silence).is_answer
        assert not failure_of(rpc("org.apache.hadoop.ipc.StandbyException", "standby")).is_answer

    def test_a_deadline_passes_on_what_happened_before_it(self) -> None:
        assert within(5, lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            within(5, lambda: 1 // 0)
        with pytest.raises(RuntimeError, match="panicked: at once"):
            within(5, panicking)
        with pytest.raises(DeadlinePassed, match=r"no answer within 0\.05 s"):
            within(0.05, lambda: time.sleep(1))
