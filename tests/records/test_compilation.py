"""When kernels are compiled and where the machine code is kept, each in processes of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import loader.records
from loader.records import compilation

READ_A_VARINT = """
import logging
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=__import__("sys").stdout)
from loader.records.compilation import ensure_compiled
from loader.records.layout import as_octets
from loader.records.varints import read_varint
ensure_compiled()
assert read_varint(as_octets(b"\\x02"), 0, 1) == (1, 1)
print("cache hits:", sum(read_varint.stats.cache_hits.values()))
"""


def start(code: str, cache: Path, root: Path | None = None) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        cwd=root or Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def output(process: "subprocess.Popen[str]") -> str:
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    return printed


@pytest.fixture(scope="module")
def warm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that four processes filled at once."""
    cache = tmp_path_factory.mktemp("kernels")
    printed = [output(process) for process in [start(READ_A_VARINT, cache) for _ in range(4)]]
    assert sorted(printed) == ["cache hits: 0\n"] + ["cache hits: 1\n"] * 3  # one compiled, the others waited
    return cache


@pytest.fixture
def cache(warm_cache: Path, tmp_path: Path) -> Path:
    """A copy of it to break."""
    return Path(shutil.copytree(warm_cache, tmp_path / "kernels"))


def test_importing_the_decoder_compiles_nothing() -> None:
    code = "import loader.records.decoder, loader.records.varints as v; print(v.read_varint.signatures)"

    assert output(start(code, Path("/nonexistent"))) == "[]\n"


def test_many_processes_fill_a_cold_cache_at_once_and_later_ones_write_nothing(cache: Path) -> None:
    files = {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}

    assert output(start(READ_A_VARINT, cache)) == "cache hits: 1\n"

    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()} == files


def test_what_formats_need_is_compiled_by_another_process_and_loaded_here(tmp_path: Path) -> None:
    # Compiling takes memory that a process keeps: a task would pass its bound at its first run on a host.
    code = """
from loader.formats import gather, room
from loader.records.compilation import ensure_compiled
ensure_compiled("loader.formats")
stats = room.put_null.stats
print("cache hits:", sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""

    assert output(start(code, tmp_path)) == "cache hits: 1 0\n"


def test_a_damaged_cache_is_made_anew(cache: Path) -> None:
    for path in cache.rglob("varints.*.nb[ic]"):
        path.write_bytes(b"garbage" if path.suffix == ".nbi" else path.read_bytes()[:-100])

    assert "could not be read, made anew" in output(start(READ_A_VARINT, cache))
    assert output(start(READ_A_VARINT, cache)) == "cache hits: 1\n"


def test_a_cache_of_other_sources_is_thrown_away(cache: Path) -> None:
    # Numba itself looks at the file of a function, not at those of the kernels that it calls.
    (stamp,) = cache.rglob("loader-kernels.sha256")
    digest = stamp.read_text()
    compilation.discard_stale(stamp.parent)
    assert list(cache.rglob("*.nbi"))

    stamp.write_text("of an older version")
    compilation.discard_stale(stamp.parent)

    assert not list(cache.rglob("*.nb[ic]"))
    assert stamp.read_text() == digest


def test_where_no_folder_can_be_written_kernels_are_compiled_in_memory(tmp_path: Path) -> None:
    # A home and a cache folder below a file: not even root can make them.
    (tmp_path / "file").touch()
    package = tmp_path / "installed" / "loader"
    shutil.copytree(Path(loader.records.__file__).parents[1], package)
    shutil.rmtree(package / "records" / "__pycache__", ignore_errors=True)
    (package / "records" / "__pycache__").touch()
    blocked = str(tmp_path / "file" / "below")
    process = subprocess.Popen(
        [sys.executable, "-B", "-c", READ_A_VARINT],
        env={
            **os.environ,
            "NUMBA_CACHE_DIR": str(blocked),
            "HOME": str(blocked),
            "XDG_CACHE_HOME": str(blocked),
        },
        cwd=package.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    printed = output(process)

    assert "compiled in memory, without a cache" in printed
    assert printed.endswith("cache hits: 0\n")


def test_no_kernel_compiles_for_other_types_once_all_are_ready() -> None:
    from loader.records.varints import read_varint

    compilation.ensure_compiled()

    with pytest.raises(TypeError, match="No matching definition"):
        read_varint("text", 0, 1)  # type: ignore[arg-type]
