"""What can go wrong on a disk only: crashes between two steps, full disks, rights, odd file systems."""

import errno
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from loader.storage import local, posix
from loader.storage.local import LocalStorage

from .helpers import fork, wait_for

NOBODY = 65534


def write(storage: LocalStorage, path: str, data: bytes = b"") -> None:
    with storage.create(path) as file:
        file.write(data)


@pytest.fixture
def root(local_storage: LocalStorage) -> Path:
    return Path(local_storage.url.removeprefix("file://"))


class TestMove:
    def test_one_killed_between_link_and_unlink_is_finished_by_the_next(
        self, local_storage: LocalStorage, root: Path
    ) -> None:
        write(local_storage, "staged/file", b"content")
        local_storage.make_folder("published")
        (root / "published/file").hardlink_to(root / "staged/file")

        local_storage.move("staged/file", "published/file")

        assert local_storage.list("staged") == []
        assert local_storage.read("published/file") == b"content"

    def test_the_new_name_is_durable_before_the_old_one_goes(
        self, local_storage: LocalStorage, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(local_storage, "a/file")
        steps: list[str] = []
        sync_folder = posix.sync_folder

        def watched(folder: Path) -> None:
            names = [name for name in ("a/file", "b/file") if (root / name).exists()]
            steps.append(f"sync {folder.relative_to(root)} with {names}")
            sync_folder(folder)

        monkeypatch.setattr(local, "sync_folder", watched)
        monkeypatch.setattr(posix, "sync_folder", watched)

        local_storage.move("a/file", "b/file")

        assert steps == [
            "sync . with ['a/file']",  # the folder b is new
            "sync b with ['a/file', 'b/file']",
            "sync a with ['b/file']",
        ]

    def test_one_whose_new_name_may_not_last_is_of_unknown_outcome_until_moved_again(
        self, local_storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(local_storage, "file", b"content")
        monkeypatch.setattr(local, "sync_folder", failing(errno.EIO))

        with pytest.raises(MoveOutcomeUnknown, match=r"EIO.*Move it again"):
            local_storage.move("file", "target")

        assert local_storage.read("file") == local_storage.read("target") == b"content"
        monkeypatch.undo()
        local_storage.move("file", "target")
        assert [entry.path for entry in local_storage.list("")] == ["target"]

    @pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP], ids=errno.errorcode.get)
    def test_without_hard_links_it_still_overwrites_nothing(
        self, local_storage: LocalStorage, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        monkeypatch.setattr(local, "link_name", failing(code))
        write(local_storage, "mine", b"mine")
        write(local_storage, "other", b"other")

        with pytest.raises(PathExists):
            local_storage.move("mine", "other")
        local_storage.move("mine", "new/folder/mine")

        assert local_storage.read("other") == b"other"
        assert local_storage.read("new/folder/mine") == b"mine"
        with pytest.raises(PathNotFound, match="mine"):
            local_storage.move("mine", "new/folder/again")

    @pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS], ids=errno.errorcode.get)
    def test_a_file_system_that_could_only_overwrite_is_refused(
        self, local_storage: LocalStorage, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        write(local_storage, "file")
        monkeypatch.setattr(local, "link_name", failing(errno.EPERM))
        monkeypatch.setattr(local, "rename_without_overwrite", failing(code))

        with pytest.raises(ConfigError, match=r"neither hard links nor.*Choose a destination on ext4"):
            local_storage.move("file", "target")

        assert [entry.path for entry in local_storage.list("")] == ["file"]

    def test_a_link_to_a_file_is_not_that_file(self, local_storage: LocalStorage, root: Path) -> None:
        write(local_storage, "file", b"content")
        (root / "link").symlink_to(root / "file")

        with pytest.raises(PathExists):
            local_storage.move("file", "link")

        assert local_storage.read("file") == b"content"


class TestFullDisk:
    def test_a_file_that_gets_no_more_space_is_abandoned(self, local_storage: LocalStorage) -> None:
        write(local_storage, "before", b"kept")

        def story() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            with pytest.raises(StorageFull, match=r"file.*EFBIG.*Files that are complete are untouched"):
                write(local_storage, "file", b"x" * 150_000)

        wait_for(fork(story))

        assert [entry.path for entry in local_storage.list("")] == ["before"]

    def test_space_that_runs_out_at_the_end_is_no_finished_file(
        self, local_storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        local_storage.make_folder("")
        monkeypatch.setattr(os, "fsync", failing(errno.EDQUOT))

        with pytest.raises(StorageFull, match=r"cannot finish it.*EDQUOT"):
            write(local_storage, "file", b"content")

        assert local_storage.list("") == []

    def test_a_write_that_takes_only_a_part_is_continued(
        self, local_storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_some = os.write
        monkeypatch.setattr(os, "write", lambda descriptor, data: write_some(descriptor, data[:3]))

        write(local_storage, "file", b"0123456789")

        assert local_storage.read("file") == b"0123456789"


class TestRights:
    @pytest.mark.parametrize(
        "call",
        [
            lambda storage: storage.create("folder/new"),
            lambda storage: storage.make_folder("folder/new"),
            lambda storage: storage.move("open/file", "folder/new"),
            lambda storage: storage.delete("folder/file"),
            lambda storage: storage.open("closed/file"),
            lambda storage: storage.status("closed/file"),
            lambda storage: storage.list("closed"),
        ],
        ids=["create", "make_folder", "move", "delete", "open", "status", "list"],
    )
    def test_without_them_access_is_denied_and_nothing_is_missing(
        self, local_storage: LocalStorage, root: Path, call: Callable[[LocalStorage], Any]
    ) -> None:
        for folder, mode in (("folder", 0o555), ("closed", 0o000), ("open", 0o777)):
            write(local_storage, f"{folder}/file")
            (root / folder).chmod(mode)
        (root / "open/file").chmod(0o666)
        for parent in (root, *root.parents[:3]):
            parent.chmod(0o755)

        def story() -> None:
            if os.geteuid() == 0:  # root is denied nothing
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            with pytest.raises(AccessDenied, match=r"EACCES.*Let user id \d+"):
                call(local_storage)

        try:
            wait_for(fork(story))
        finally:
            (root / "closed").chmod(0o755)
            (root / "folder").chmod(0o755)
        for folder in ("folder", "closed", "open"):
            assert [entry.path for entry in local_storage.list(folder)] == [f"{folder}/file"]


class TestAnswers:
    @pytest.mark.parametrize(
        ("code", "kind", "hint"),
        [
            (errno.ENOSPC, StorageFull, "Free space"),
            (errno.EDQUOT, StorageFull, "quota"),
            (errno.EACCES, AccessDenied, "Let user id"),
            (errno.EROFS, AccessDenied, "choose another destination"),
            (errno.EIO, StorageUnavailable, "Check the disk or the mount"),
            (errno.ESTALE, StorageUnavailable, "run again"),
            (errno.EMFILE, StorageUnavailable, "run again"),
            (errno.ENAMETOOLONG, ConfigError, "a path too long"),
            (errno.EXDEV, ConfigError, "a mount"),
        ],
        ids=lambda value: errno.errorcode.get(value, "") if isinstance(value, int) else "",
    )
    def test_what_the_kernel_says_becomes_what_to_do(
        self,
        local_storage: LocalStorage,
        monkeypatch: pytest.MonkeyPatch,
        code: int,
        kind: type[LoaderError],
        hint: str,
    ) -> None:
        monkeypatch.setattr(local, "make_folder", failing(code))

        with pytest.raises(kind) as caught:
            local_storage.make_folder("some/folder")

        message = str(caught.value)
        assert f"{local_storage.url}/some/folder" in message
        assert os.strerror(code) in message
        assert errno.errorcode[code] in message
        assert hint in message

    def test_a_fault_of_the_disk_in_mid_file_is_no_bug_of_the_loader(self) -> None:
        # Linux answers EIO to a read of a process's memory at an address where it has none.
        memory = LocalStorage("/proc/self")

        with pytest.raises(StorageUnavailable, match=r"file:///proc/self/mem: cannot read it: .*EIO"):
            memory.read("mem")

    def test_a_path_beyond_what_the_kernel_takes_is_told(self, local_storage: LocalStorage) -> None:
        path = "/".join(["x" * 250] * 17)

        with pytest.raises(ConfigError, match="ENAMETOOLONG"):
            write(local_storage, path)
        with pytest.raises(PathNotFound, match="ENAMETOOLONG"):
            local_storage.status(path)

    def test_a_name_that_leads_nowhere_is_taken(self, local_storage: LocalStorage, root: Path) -> None:
        local_storage.make_folder("")
        (root / "link").symlink_to("nowhere")

        assert [entry.path for entry in local_storage.list("")] == ["link"]
        assert local_storage.status("link")
        with pytest.raises(PathExists):
            local_storage.create("link")
        assert local_storage.delete("link") is True

    def test_a_relative_root_is_a_bug_of_the_caller(self) -> None:
        with pytest.raises(ValueError, match="absolute"):
            LocalStorage("some/folder")


def test_a_leftover_that_cannot_be_deleted_does_not_hide_the_first_error(
    local_storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = local_storage.create("file")
    monkeypatch.setattr(Path, "unlink", failing(errno.EIO))
    error = ZeroDivisionError("the reason")

    file.__exit__(type(error), error, None)

    assert "The unfinished file file could not be deleted" in error.__notes__[0]


def failing(code: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail
