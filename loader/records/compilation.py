"""How kernels are compiled: when, with which flags, and where the machine code is kept.

Importing a kernel compiles nothing. `ensure_compiled` compiles all of a package, or loads them from Numba's
on-disk cache, once per process; afterwards none of them can compile or write to the cache any more.

Numba's cache is not safe when several processes fill it at once (numba issue 4807), and workers that
start together do just that: so load and compile hold an exclusive lock on a file beside the cache. Numba
looks only at the module of the function it loads, not at the modules of the kernels it calls: so a digest
of all their folders lies beside the cache as well, and a cache of other sources is thrown away. Where no
folder is writable, or the cache cannot be read, kernels are compiled in memory, by each process for itself.
"""

import fcntl
import hashlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, get_type_hints

import numba
from numba import types

# Their import makes the kernels of this package known.
from loader.records import gather, layout, locate, transactions, varints  # noqa: F401
from loader.records.kernel import KERNELS

_logger = logging.getLogger(__name__)

RECORDS = "loader.records"
STAMP = "loader-kernels.sha256"

_SCALARS = {int: types.int64, bool: types.boolean}

_lock = threading.Lock()
_compiled_count: dict[str, int] = {}


def ensure_compiled(*packages: str) -> None:
    """Make every kernel ready to run: a second or two when no cache helps, nothing when done before.

    packages  whose kernels call those of this package and of the packages before them; what is compiled are
              those of the modules that are imported by now
    """
    wanted = (RECORDS, *packages)
    if all(_is_compiled(package) for package in wanted):
        return
    with _lock:
        if packages and _are_missing(wanted):
            _compile_elsewhere(wanted)
    compile_here(wanted)


def _is_compiled(package: str) -> bool:
    return _compiled_count.get(package) == len(KERNELS[package])


def _are_missing(packages: Sequence[str]) -> bool:
    """Whether a cache that could be written lacks kernels of these packages."""
    try:
        for number, package in enumerate(packages, 1):
            cache = _cache_folder(KERNELS[package][0])
            if _stamp_of(cache) != _digest_of_sources(packages[:number]):
                return True
            for each in KERNELS[package]:
                module, name = each.py_func.__module__.rpartition(".")[2], each.py_func.__qualname__
                if not any(cache.glob(f"{module}.{name}-*.nbi")):
                    return True
    except (OSError, RuntimeError):  # no folder that can be written: then nothing could be handed over
        return False
    return False


def _compile_elsewhere(packages: Sequence[str]) -> None:
    """Fill the caches by another process: compiling takes 150 MiB that a process does not give back.

    Whatever becomes of it: what is missing then is compiled here.
    """
    modules = sorted({each.py_func.__module__ for package in packages for each in KERNELS[package]})
    paths = os.pathsep.join(path for path in sys.path if path)
    with suppress(OSError):
        subprocess.run(  # noqa: S603  this Python, with names of our own modules
            [sys.executable, "-c", _FILL, *modules, "--", *packages],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths},
            check=False,
        )


_FILL = """
import importlib, sys
from loader.records import compilation
at = sys.argv.index("--")
for name in sys.argv[1:at]:
    importlib.import_module(name)
compilation.compile_here(sys.argv[at + 1:])
"""


def compile_here(packages: Sequence[str]) -> None:
    """Compile all known kernels of some packages, each after those that its kernels call, in this process."""
    with _lock:
        for number, package in enumerate(packages, 1):
            if not _is_compiled(package):
                _compile_all(KERNELS[package][_compiled_count.get(package, 0) :], packages[:number])
                _compiled_count[package] = len(KERNELS[package])


def _compile_all(kernels: Sequence[Any], packages: Sequence[str]) -> None:
    try:
        cache = _cache_folder(kernels[0])
        with _locked(cache / "loader-kernels.lock"):
            discard_stale(cache, packages)
            for each in kernels:
                each.enable_caching()
            try:
                _compile_each(kernels)
            except Exception as error:  # a damaged cache: unpickling foreign bytes can raise anything
                _logger.warning("the kernel cache %s could not be read, made anew: %r", cache, error)
                _discard(cache)
                _compile_each(kernels)
    except (OSError, RuntimeError) as error:  # RuntimeError: Numba found no folder it may write to
        _logger.info("kernels are compiled in memory, without a cache: %s", error)
        _compile_each(kernels)


def _cache_folder(kernel: Any) -> Path:
    """The folder Numba would choose, learnt from a function that is never compiled."""
    probe = numba.njit(kernel.py_func)
    probe.enable_caching()
    return Path(probe.stats.cache_path)


def cache_folder() -> Path:
    """Where compiled kernels are kept. Raises RuntimeError or OSError where no folder can be written."""
    return _cache_folder(KERNELS[RECORDS][0])


def _compile_each(kernels: Sequence[Any]) -> None:
    for each in kernels:
        if not each.signatures:
            try:
                each.compile(_signature(each.py_func))
            except OSError:
                if not each.signatures:
                    raise
                # Compiled, but not kept: the disk is full. The next process compiles for itself.
        each.disable_compile()


def _signature(function: Callable[..., Any]) -> tuple[Any, ...]:
    hints = get_type_hints(function, include_extras=True)
    hints.pop("return")
    return tuple(_SCALARS.get(hint) or hint.__metadata__[0] for hint in hints.values())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def discard_stale(cache: Path, packages: Sequence[str] = (RECORDS,)) -> None:
    """Empty a cache folder that other sources than those of the packages have filled."""
    digest = _digest_of_sources(packages)
    if _stamp_of(cache) != digest:
        _discard(cache)
        (cache / STAMP).write_text(digest, encoding="ascii")


def _stamp_of(cache: Path) -> str:
    with suppress(OSError):
        return (cache / STAMP).read_text(encoding="ascii", errors="replace")
    return ""


def _discard(cache: Path) -> None:
    # Numba gives each source folder a cache folder of its own: all kernels in it are ours.
    for path in (*cache.glob("*.nbi"), *cache.glob("*.nbc")):
        path.unlink(missing_ok=True)


def _digest_of_sources(packages: Sequence[str]) -> str:
    digest = hashlib.sha256()
    loader_folder = Path(__file__).parents[1]
    for package in packages:
        for path in sorted(loader_folder.joinpath(*package.split(".")[1:]).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
