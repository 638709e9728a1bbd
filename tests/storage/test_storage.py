"""What loader/storage/protocol.py promises, sentence by sentence, of every file system."""

import io
import pickle
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loader.errors import ConfigError, LoaderError, PathExists, PathNotFound
from loader.storage import FileStatus, OutputFile, Storage

from .helpers import at_once, fork, wait_for

ODD_NAMES = [
    "two words",
    "hour=10",
    "100%25",
    "a#b?c&d+e",
    "_hidden",
    ".hidden",
    "...",
    "~",
    "back\\slash",
    "quote'\"",
    "star*[x]{y}",
    "naïve-Straße-日本-😀",
    "e\u0301",  # not the same name as the composed letter
    "x" * 255,
    "é" * 127,
]


def write(storage: Storage, path: str, data: bytes = b"") -> None:
    with storage.create(path) as file:
        file.write(data)


def write_and_fail(storage: Storage, path: str, data: bytes, error: type[BaseException]) -> None:
    with storage.create(path) as file:
        file.write(data)
        raise error


def parquet_writer(file: OutputFile, schema: Any) -> Any:
    return pq.ParquetWriter(pa.PythonFile(file, mode="w"), schema)


def paths(storage: Storage, folder: str = "") -> list[str]:
    return [entry.path for entry in storage.list(folder)]


class TestCreate:
    def test_a_finished_file_has_its_bytes_its_size_and_its_time(self, storage: Storage) -> None:
        before_ms = time.time_ns() // 1_000_000

        write(storage, "a/b/file", b"some bytes")

        assert storage.read("a/b/file") == b"some bytes"
        found = storage.status("a/b/file")
        assert found == FileStatus("a/b/file", 10, found.modified_ms, is_folder=False)
        assert before_ms - 2_000 < found.modified_ms < before_ms + 30_000

    def test_an_empty_file_is_a_file(self, storage: Storage) -> None:
        write(storage, "empty")

        assert storage.read("empty") == b""
        assert storage.status("empty").size_bytes == 0

    def test_many_small_writes_arrive_in_order(self, storage: Storage) -> None:
        pieces = [index.to_bytes(4) * 300 for index in range(3000)]

        with storage.create("file") as file:
            taken = [file.write(piece) for piece in pieces]
            assert file.tell() == 3000 * 1200

        assert taken == [1200] * 3000
        assert storage.read("file") == b"".join(pieces)

    def test_a_view_of_any_shape_is_written_as_its_bytes(self, storage: Storage) -> None:
        numbers = memoryview(bytes(range(24))).cast("i", (2, 3))

        with storage.create("file") as file:
            assert file.write(numbers) == 24
            assert file.tell() == 24

        assert storage.read("file") == bytes(range(24))

    def test_a_name_that_is_taken_is_refused_and_left_as_it_is(self, storage: Storage) -> None:
        write(storage, "a/file", b"first")

        with pytest.raises(PathExists, match="a/file"):
            storage.create("a/file")
        with pytest.raises(PathExists, match="a: "):
            storage.create("a")

        assert storage.read("a/file") == b"first"

    def test_a_file_still_being_written_has_its_name_already(self, storage: Storage) -> None:
        with storage.create("file"), pytest.raises(PathExists):
            storage.create("file")

        assert storage.status("file").size_bytes == 0

    def test_of_many_creators_at_once_exactly_one_succeeds(self, storage: Storage) -> None:
        for turn in range(10):
            results = at_once([partial(write, storage, f"folder/{turn}")] * 4)

            assert sum(result is None for result in results) == 1
            assert sum(isinstance(result, PathExists) for result in results) == 3

    def test_a_file_where_a_parent_must_be_is_a_fault_of_the_destination(self, storage: Storage) -> None:
        write(storage, "file")

        with pytest.raises(ConfigError, match=r"file/below.*where a folder must be"):
            storage.create("file/below")


class TestAbandon:
    @pytest.mark.parametrize(
        "error", [OSError, KeyboardInterrupt, SystemExit], ids=lambda kind: kind.__name__
    )
    def test_a_file_left_by_an_exception_is_gone(self, storage: Storage, error: type[BaseException]) -> None:
        write(storage, "folder/other")

        with pytest.raises(error):
            write_and_fail(storage, "folder/file", b"x" * 1_500_000, error)

        assert paths(storage, "folder") == ["folder/other"]

    def test_its_name_can_be_used_again(self, storage: Storage) -> None:
        with pytest.raises(ZeroDivisionError):
            write_and_fail(storage, "file", b"half", ZeroDivisionError)

        write(storage, "file", b"whole")

        assert storage.read("file") == b"whole"

    def test_nothing_brings_it_back_later(self, storage: Storage) -> None:
        file = storage.create("file")
        with pytest.raises(ZeroDivisionError), file:
            raise ZeroDivisionError

        with pytest.raises(ValueError, match="after its end"):
            file.write(b"more")
        del file

        with pytest.raises(PathNotFound):
            storage.status("file")

    def test_a_parquet_writer_that_fails_leaves_no_file(self, storage: Storage) -> None:
        table = pa.table({"offset": range(1000)})

        def write_half() -> None:
            with storage.create("f.parquet") as file, parquet_writer(file, table.schema) as writer:
                writer.write_table(table)
                raise ZeroDivisionError  # pyarrow's writer completes its file as this passes through it

        with pytest.raises(ZeroDivisionError):
            write_half()

        with pytest.raises(PathNotFound):
            storage.status("f.parquet")


class TestMove:
    def test_a_file_gets_its_new_name_and_loses_the_old(self, storage: Storage) -> None:
        write(storage, "staged/file", b"content")
        before = storage.status("staged/file")

        storage.move("staged/file", "some/new/folder/name")

        assert storage.read("some/new/folder/name") == b"content"
        assert paths(storage, "staged") == []
        after = storage.status("some/new/folder/name")
        assert (after.size_bytes, after.modified_ms) == (before.size_bytes, before.modified_ms)

    def test_another_file_is_never_overwritten(self, storage: Storage) -> None:
        write(storage, "mine", b"mine")
        write(storage, "theirs", b"theirs")

        with pytest.raises(PathExists, match="theirs"):
            storage.move("mine", "theirs")

        assert storage.read("mine") == b"mine"
        assert storage.read("theirs") == b"theirs"

    def test_a_folder_in_its_place_does_not_swallow_the_file(self, storage: Storage) -> None:
        write(storage, "file")
        storage.make_folder("folder")

        with pytest.raises(PathExists, match="folder"):
            storage.move("file", "folder")

        assert paths(storage) == ["file", "folder"]
        assert paths(storage, "folder") == []

    def test_a_file_that_is_not_there_is_not_found(self, storage: Storage) -> None:
        write(storage, "other")

        for source in ("missing", "missing/file", "other/below"):
            with pytest.raises(PathNotFound, match=source):
                storage.move(source, "target")
            with pytest.raises(PathNotFound, match=source):
                storage.move(source, "other")

    def test_a_move_that_was_done_is_not_found_when_asked_again(self, storage: Storage) -> None:
        write(storage, "file")
        storage.move("file", "target")

        with pytest.raises(PathNotFound, match="file"):
            storage.move("file", "target")

        assert paths(storage) == ["target"]

    def test_folders_are_not_moved(self, storage: Storage) -> None:
        storage.make_folder("folder")

        with pytest.raises(PathNotFound, match="is a folder"):
            storage.move("folder", "target")

        assert paths(storage) == ["folder"]

    def test_a_file_where_a_parent_must_be_is_no_target_that_exists(self, storage: Storage) -> None:
        write(storage, "file")
        write(storage, "other")

        with pytest.raises(ConfigError, match="other"):
            storage.move("file", "other/below")

        assert paths(storage) == ["file", "other"]

    def test_of_two_movers_at_once_in_threads_exactly_one_wins(self, storage: Storage) -> None:
        for turn in range(30):
            sources = [f"{turn}-a", f"{turn}-b"]
            for source in sources:
                write(storage, source)

            results = at_once([partial(storage.move, source, f"commits/{turn}") for source in sources])

            assert sorted(map(str, map(type, results))) == sorted(map(str, [type(None), PathExists]))
            (loser,) = [source for source, result in zip(sources, results, strict=True) if result]
            assert [entry.path for entry in storage.list("") if not entry.is_folder] == [loser]
            storage.delete(loser)
        assert len(paths(storage, "commits")) == 30

    def test_of_two_movers_at_once_in_processes_exactly_one_wins(self, storage: Storage) -> None:
        turns = range(30)
        for turn in turns:
            for mover in "ab":
                write(storage, f"staged/{mover}-{turn}")
        start = time.monotonic() + 0.3

        def move_all(mover: str) -> None:
            time.sleep(max(0, start - time.monotonic()))
            for turn in turns:
                try:
                    storage.move(f"staged/{mover}-{turn}", f"commits/{turn}")
                except PathExists:
                    write(storage, f"lost/{mover}-{turn}")

        children = [fork(partial(move_all, mover)) for mover in "ab"]
        for child in children:
            wait_for(child)

        left = {path.removeprefix("staged/") for path in paths(storage, "staged")}
        lost = {path.removeprefix("lost/") for path in paths(storage, "lost")}
        assert left == lost
        assert sorted(int(name[2:]) for name in lost) == list(turns)  # one loser in every turn, so one winner
        assert len(paths(storage, "commits")) == len(turns)

    def test_movers_of_one_file_finish_the_same_move(self, storage: Storage) -> None:
        for turn in range(20):
            write(storage, f"staged/{turn}")

            results = at_once([partial(storage.move, f"staged/{turn}", f"published/{turn}")] * 3)

            assert None in results
            assert all(result is None or isinstance(result, PathNotFound) for result in results)
            assert storage.status(f"published/{turn}")
        assert paths(storage, "staged") == []


class TestList:
    def test_the_answer_is_complete_and_sorted_beyond_one_page(self, storage: Storage) -> None:
        names = [f"{number:05}" for number in random.Random(7).sample(range(100_000), 1100)]
        quarter = len(names) // 4
        parts = [names[at : at + quarter] for at in range(0, len(names), quarter)]

        def write_all(part: list[str]) -> None:
            for name in part:
                write(storage, f"many/{name}")

        at_once([partial(write_all, part) for part in parts])

        assert paths(storage, "many") == [f"many/{name}" for name in sorted(names)]
        assert storage.names("many") == sorted(names)

    def test_it_shows_what_lies_directly_in_the_folder(self, storage: Storage) -> None:
        write(storage, "a/file", b"12345")
        write(storage, "a/deep/er/file")

        (deep, file) = storage.list("a")

        assert deep == FileStatus("a/deep", 0, deep.modified_ms, is_folder=True)
        assert file == FileStatus("a/file", 5, file.modified_ms, is_folder=False)
        assert file == storage.status("a/file")
        assert storage.names("a") == ["deep", "file"]
        assert paths(storage) == ["a"]
        assert storage.names("") == ["a"]

    def test_an_empty_folder_has_no_entries(self, storage: Storage) -> None:
        storage.make_folder("empty")

        assert storage.list("empty") == []
        assert storage.names("empty") == []

    @pytest.mark.parametrize("ask", ["list", "names"])
    def test_what_is_no_folder_is_not_found(self, storage: Storage, ask: str) -> None:
        for missing in ("", "missing"):
            with pytest.raises(PathNotFound):
                getattr(storage, ask)(missing)
        write(storage, "file")

        for wrong in ("file", "file/below", "missing"):
            with pytest.raises(PathNotFound, match=wrong):
                getattr(storage, ask)(wrong)

    def test_odd_names_come_back_as_they_were_given(self, storage: Storage) -> None:
        for name in ODD_NAMES:
            storage.make_folder(f"folders/{name}")
            write(storage, f"files/{name}")

        assert paths(storage, "files") == sorted(f"files/{name}" for name in ODD_NAMES)
        assert storage.names("files") == sorted(ODD_NAMES)
        assert paths(storage, "folders") == sorted(f"folders/{name}" for name in ODD_NAMES)
        for name in ODD_NAMES:
            assert storage.status(f"files/{name}").path == f"files/{name}"
            assert storage.read(f"files/{name}") == b""
            storage.move(f"files/{name}", f"folders/{name}/{name}")
            assert paths(storage, f"folders/{name}") == [f"folders/{name}/{name}"]
            assert storage.delete(f"folders/{name}")


class TestRead:
    def test_a_file_is_read_at_any_position(self, storage: Storage) -> None:
        data = random.Random(3).randbytes(3_600_000)  # four blocks on HDFS, the last one short
        write(storage, "file", data)

        with storage.open("file") as file:
            assert file.read() == data
            assert file.read() == b""
            for start, size in [(0, 10), (1_048_570, 20), (900_000, 2_500_000), (3_599_990, 100), (5, 0)]:
                assert file.seek(start) == start
                assert file.read(size) == data[start : start + size]
                assert file.tell() == min(start + size, len(data))
            assert file.seek(-7, io.SEEK_END) == len(data) - 7
            assert file.read(3) == data[-7:-4]
            assert file.seek(2, io.SEEK_CUR) == len(data) - 2
            assert file.read() == data[-2:]
            assert file.seek(len(data) + 50) == len(data) + 50
            assert file.read(10) == b""
            with pytest.raises((ValueError, OSError)):
                file.seek(-1)
        assert storage.status("file").size_bytes == len(data)

    def test_pyarrow_writes_and_reads_parquet_through_it(self, storage: Storage) -> None:
        table = pa.table({"offset": range(200_000), "value": [f"value {n}" for n in range(200_000)]})

        with storage.create("t/f.parquet") as file, parquet_writer(file, table.schema) as writer:
            writer.write_table(table, row_group_size=50_000)

        with storage.open("t/f.parquet") as source:
            parquet = pq.ParquetFile(pa.PythonFile(source, mode="r"))
            assert parquet.num_row_groups == 4
            assert parquet.read_row_group(2, columns=["offset"])["offset"][0].as_py() == 100_000
            assert parquet.read().equals(table)

    @pytest.mark.parametrize("look", ["open", "read", "status"])
    def test_what_is_not_there_is_not_found(self, storage: Storage, look: str) -> None:
        write(storage, "file")
        call: Callable[[str], Any] = getattr(storage, look)

        for missing in ("missing", "missing/file", "file/below", "x" * 300):
            with pytest.raises(PathNotFound, match=missing):
                call(missing)

    @pytest.mark.parametrize("look", ["open", "read"])
    def test_a_folder_is_no_file(self, storage: Storage, look: str) -> None:
        storage.make_folder("folder")

        with pytest.raises(PathNotFound, match="folder"):
            getattr(storage, look)("folder")

    def test_the_root_is_a_folder_like_any_other(self, storage: Storage) -> None:
        with pytest.raises(PathNotFound):
            storage.status("")

        storage.make_folder("")

        assert storage.status("") == FileStatus("", 0, storage.status("").modified_ms, is_folder=True)
        assert storage.list("") == []


class TestMakeFolder:
    def test_parents_are_made_and_a_second_time_is_fine(self, storage: Storage) -> None:
        storage.make_folder("a/b/c")
        write(storage, "a/b/c/file")

        storage.make_folder("a/b/c")
        storage.make_folder("a")

        assert paths(storage, "a/b/c") == ["a/b/c/file"]

    def test_many_make_the_same_folder_at_once(self, storage: Storage) -> None:
        results = at_once([lambda: storage.make_folder("a/b/c/d/e")] * 8)

        assert results == [None] * 8

    def test_a_file_in_its_place_is_left_as_it_is(self, storage: Storage) -> None:
        write(storage, "file", b"content")

        with pytest.raises(PathExists, match="file"):
            storage.make_folder("file")
        with pytest.raises(ConfigError, match="file/below"):
            storage.make_folder("file/below")

        assert storage.read("file") == b"content"


class TestDelete:
    def test_a_file_goes_alone(self, storage: Storage) -> None:
        write(storage, "folder/file")
        write(storage, "folder/other")

        assert storage.delete("folder/file") is True
        assert storage.delete("folder/file") is False

        assert paths(storage, "folder") == ["folder/other"]

    def test_a_folder_goes_with_all_in_it(self, storage: Storage) -> None:
        for path in ("run/a", "run/b/c", "run/b/d/e", "kept"):
            write(storage, path)

        assert storage.delete("run") is True

        assert paths(storage) == ["kept"]

    def test_nothing_is_not_deleted(self, storage: Storage) -> None:
        write(storage, "file")

        assert storage.delete("missing") is False
        assert storage.delete("missing/file") is False
        assert storage.delete("file/below") is False

        assert paths(storage) == ["file"]

    def test_several_sweeps_at_once_leave_nothing(self, storage: Storage) -> None:
        for number in range(60):
            write(storage, f"run/{number % 6}/{number}")

        results = at_once([lambda: storage.delete("run")] * 4)

        assert set(results) <= {True, False}
        assert True in results
        assert paths(storage) == []


class TestValue:
    def test_it_pickles_as_its_address_and_settings(self, storage: Storage) -> None:
        write(storage, "file", b"content")

        copy = pickle.loads(pickle.dumps(storage))  # noqa: S301

        assert copy.url == storage.url
        assert copy.read("file") == b"content"

    def test_it_works_in_a_forked_child_right_after_use(self, storage: Storage) -> None:
        write(storage, "file", b"content")
        assert storage.read("file") == b"content"

        def story() -> None:
            assert storage.read("file") == b"content"
            write(storage, "child/file", b"of the child")
            storage.move("child/file", "moved")

        wait_for(fork(story), deadline_s=20)

        assert storage.read("moved") == b"of the child"
        assert storage.read("file") == b"content"

    def test_its_url_has_a_scheme_and_no_slash_at_the_end(self, storage: Storage) -> None:
        assert storage.url.startswith(("file:///", "hdfs://"))
        assert not storage.url.endswith("/")

    @pytest.mark.parametrize("path", ["/absolute", "a//b", "a/", "../up", "a/../b", "./a", "a/.", "nul\0"])
    def test_a_path_that_could_leave_it_is_a_bug_of_the_caller(self, storage: Storage, path: str) -> None:
        storage.make_folder("a")
        write(storage, "b")
        calls: list[Callable[[], Any]] = [
            lambda: storage.create(path),
            lambda: storage.open(path),
            lambda: storage.status(path),
            lambda: storage.list(path),
            lambda: storage.names(path),
            lambda: storage.make_folder(path),
            lambda: storage.move(path, "c"),
            lambda: storage.move("b", path),
            lambda: storage.delete(path),
        ]
        for call in calls:
            with pytest.raises(ValueError, match="not a path inside a destination"):
                call()

    @pytest.mark.parametrize("path", ["", "colon:name", "folder/" + "x" * 256, "é" * 128])
    def test_a_name_that_some_file_system_cannot_hold_is_refused_by_all(
        self, storage: Storage, path: str
    ) -> None:
        write(storage, "b")

        for call in (lambda: storage.create(path), lambda: storage.move("b", path)):
            with pytest.raises(ValueError, match=r"colon|255|root"):
                call()

    def test_the_root_is_not_deleted(self, storage: Storage) -> None:
        write(storage, "b")

        with pytest.raises(ValueError, match="root"):
            storage.delete("")

        assert paths(storage) == ["b"]

    def test_an_error_says_where(self, storage: Storage) -> None:
        with pytest.raises(LoaderError) as caught:
            storage.read("some/file")

        assert f"{storage.url}/some/file" in str(caught.value)
        assert isinstance(pickle.loads(pickle.dumps(caught.value)), PathNotFound)  # noqa: S301
