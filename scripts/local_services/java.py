"""The Java that runs the servers, and running a main class of theirs to its end."""

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from local_services.errors import ServiceError

OLDEST_JAVA = 17

# Serial collector and the first compiler only: a server starts in half the CPU time and a third of the
# memory, and runs slower later on. For tests and trying things out, never for a benchmark.
FAST_START_OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


@functools.cache
def find_java() -> Path:
    """The `java` to use: of JAVA_HOME if that is set, else of PATH. Raises when it is missing or too old."""
    java = _find("java")
    if java is None:
        raise ServiceError(f"Java is missing: install Java {OLDEST_JAVA} or newer, or set JAVA_HOME to one")
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    if version is None:
        raise ServiceError(f"{java} -version says nothing known: {answer.stderr.strip()[:200]!r}")
    if int(version[1]) < OLDEST_JAVA:
        raise ServiceError(
            f"{java} is Java {version[1]}: install {OLDEST_JAVA} or newer, or set JAVA_HOME to one"
        )
    return java


def has_compiler() -> bool:
    """Whether this Java can run a .java file, which a JRE cannot."""
    return _find("javac") is not None


def run_main_class(
    main_class: str | Path,
    *arguments: str,
    classpath: str,
    options: Sequence[str] = (),
    stdin: bytes | None = None,
    timeout_s: float = 60,
) -> subprocess.CompletedProcess[bytes]:
    """Run a class, or a single .java file, to its end, which must be status 0; what it wrote."""
    command = [str(find_java()), *FAST_START_OPTIONS, *options, "-cp", classpath, str(main_class), *arguments]
    name = main_class.name if isinstance(main_class, Path) else main_class.rpartition(".")[2]
    try:
        ended = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as expired:
        raise ServiceError(f"{name} did not end within {timeout_s:g} s:\n{_tail(expired.stderr)}") from None
    if ended.returncode != 0:
        output = ended.stderr if ended.stderr.strip() else ended.stdout
        raise ServiceError(f"{name} ended with status {ended.returncode}:\n{_tail(output)}")
    return ended


def _find(program: str) -> Path | None:
    home = os.environ.get("JAVA_HOME")
    if home:
        candidate = Path(home, "bin", program)
        return candidate if candidate.exists() else None
    found = shutil.which(program)
    return Path(found) if found else None


def _tail(output: bytes | None, line_count: int = 20) -> str:
    return "\n".join((output or b"").decode(errors="replace").splitlines()[-line_count:])
