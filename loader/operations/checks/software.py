"""Python, the packages it has, and Java."""

import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

import loader
from loader.operations.checks.check import Check, bad, doubtful, fine

DISTRIBUTION = "kafka-hadoop-loader"
OLDEST_JAVA = 17
JAVA_ANSWERS_S = 20.0

_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def check_packages(extras: frozenset[str]) -> Iterator[Check]:
    """This Python, and whether its packages are those that this program was made for.

    extras  of the optional packages, those that the job needs
    """
    python = f"Python {platform.python_version()}, kafka-loader {loader.__version__}"
    try:
        texts = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield doubtful(
            "packages",
            f"{python}, which is not installed as a package: versions of others cannot be compared",
            "Install it: pip install .",
        )
        return
    wrong = []
    looked_at = 0
    for requirement in map(Requirement, texts):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            looked_at += 1
            if (problem := _problem(requirement)) is not None:
                wrong.append((requirement, problem))
    if not wrong:
        yield fine("packages", f"{python}, {looked_at} packages in the versions it asks for")
    for requirement, problem in wrong:
        fix = f"pip install '{requirement.name}{requirement.specifier}'"
        yield bad("packages", f"{requirement.name}: {problem}", fix, 2)


def _problem(requirement: Requirement) -> str | None:
    try:
        found = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"missing; {requirement.specifier or 'any version'} is needed"
    if requirement.specifier.contains(found, prereleases=True):
        return None
    return f"{found} is installed, {requirement.specifier} is needed"


def check_java(java_home: str | None, search_path: str, *, is_needed: bool) -> Iterator[Check]:
    """The Java that Spark would start.

    java_home    as Spark takes it from the environment; None for none
    search_path  where `java` is looked for without it, folders with colons
    is_needed    whether Spark is the engine; without it Java is not used at all
    """

    def wrong(found: str) -> Check:
        to_do = f"Install Java {OLDEST_JAVA} or newer, and set JAVA_HOME to it."
        if is_needed:
            return bad("java", found, to_do, 2)
        return doubtful("java", found, f"Only --engine spark needs it. {to_do}")

    java = str(Path(java_home, "bin", "java")) if java_home else shutil.which("java", path=search_path)
    if java is None:
        yield wrong("not found: JAVA_HOME is not set, and there is no java on the PATH")
        return
    try:
        ended = subprocess.run(  # noqa: S603  the Java that Spark would start
            [java, "-version"], capture_output=True, text=True, timeout=JAVA_ANSWERS_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        yield wrong(f"{java} cannot be started: {getattr(error, 'strerror', None) or error}")
        return
    said = ended.stderr + ended.stdout
    version = _VERSION.search(said)
    if version is None:
        yield wrong(f"{java} -version says: {said.strip()[:200] or 'nothing'}")
    elif int(version.group(1)) < OLDEST_JAVA:
        yield wrong(f"{java} is Java {version.group(1)}; Spark needs {OLDEST_JAVA} or newer")
    else:
        yield fine("java", f"Java {version.group(1)}, {java}")
