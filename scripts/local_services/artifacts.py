"""The servers' jars: pinned versions, fetched once by the Ivy inside pyspark into a cache folder.

A folder of the cache is complete or not there: jars are gathered in a temporary sibling, which is renamed
when all of them have come. Two processes that want the same folder take turns; the second finds it complete.
"""

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_services.errors import ServiceError
from local_services.java import FAST_START_OPTIONS, find_java

_FETCH_TIMEOUT_S = 900

# An archive holds what it depends on: its pom, and that one's parents, need not be there.
_NO_POMS = """<ivysettings><settings defaultResolver="central"/><resolvers>
<ibiblio name="central" m2compatible="true" usepoms="false"/></resolvers></ivysettings>
"""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One server's jars: Maven modules as (group, name, version), with what they depend on.

    archive  the classifier of a tar.gz, where the one module is published so with all that it depends on
    """

    name: str
    version: str
    modules: tuple[tuple[str, str, str], ...]
    excluded_groups: tuple[str, ...] = ()
    excluded_names: tuple[str, ...] = ()
    archive: str | None = None

    def classpath(self) -> str:
        """The value of java's -cp; fetches the jars when this machine does not have them yet."""
        return f"{fetch(self)}/*"


KAFKA = Artifact(
    "kafka",
    "4.3.1",
    (
        ("org.apache.kafka", "kafka_2.13", "4.3.1"),
        ("org.apache.kafka", "kafka-tools", "4.3.1"),
        # Kafka's jars bring no SLF4J binding: without this one a broker logs nothing.
        ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4"),
    ),
    # kafka-tools can also plug in Connect, which would add its REST server: 40 more jars, unused here.
    excluded_names=("connect-api", "connect-json", "connect-runtime", "connect-transforms"),
)

HDFS = Artifact(
    "hdfs",
    "3.5.0",
    (
        # The servers in one shaded jar; hadoop-client-api and -runtime, which it builds on, come with it.
        ("org.apache.hadoop", "hadoop-client-minicluster", "3.5.0"),
        # Hadoop's jars bring no SLF4J binding either.
        ("org.slf4j", "slf4j-reload4j", "1.7.36"),
    ),
)


REGISTRY = Artifact(
    "registry",
    "3.0.9",
    (("io.apicurio", "apicurio-registry-app", "3.0.9"),),
    archive="all",
)


def cache_folder() -> Path:
    """Where fetched jars are kept, outside any checkout."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "kafka-hadoop-loader")


def fetch(artifact: Artifact) -> Path:
    """The folder with all jars of `artifact`, fetched now when they are not in the cache yet."""
    folder = cache_folder() / f"{artifact.name}-{artifact.version}"
    if folder.exists():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ServiceError(
            f"cannot keep jars in {folder.parent}: {error.strerror}; set XDG_CACHE_HOME"
        ) from None
    with _turn(folder.with_name(f".{folder.name}.lock")):
        if not folder.exists():
            say = (
                f"fetching the jars of {artifact.name} {artifact.version} into {folder}: once, about a minute"
            )
            print(say, file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
                jars = Path(temporary, "jars")
                _retrieve(artifact, jars, Path(temporary))
                jars.rename(folder)
    return folder


def fetch_all(artifacts: Sequence[Artifact]) -> None:
    """Fetch several at once: each mostly waits for the network."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(fetch, artifacts))


@contextmanager
def _turn(lock: Path) -> Iterator[None]:
    # flock and not the existence of a file: the kernel gives it back however its holder ends.
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _retrieve(artifact: Artifact, jars: Path, scratch: Path) -> None:
    description = scratch / "ivy.xml"
    description.write_text(_ivy_description(artifact))
    command = [
        str(find_java()),
        *FAST_START_OPTIONS,
        # Ivy would otherwise use, and leave things in, the home folder.
        f"-Divy.default.ivy.user.dir={scratch / 'ivy'}",
        *("-cp", f"{_pyspark_folder()}/jars/*", "org.apache.ivy.Main"),
        *("-cache", str(scratch / "cache"), "-ivy", str(description), "-confs", "default"),
        *("-retrieve", f"{jars}/[artifact]-[revision](-[classifier]).[ext]"),
    ]
    if artifact.archive is not None:
        settings = scratch / "settings.xml"
        settings.write_text(_NO_POMS)
        command += ["-settings", str(settings)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_TIMEOUT_S, check=False)
        output, failed = ended.stdout + ended.stderr, ended.returncode != 0
    except subprocess.TimeoutExpired:
        output, failed = f"no end after {_FETCH_TIMEOUT_S} s", True
    if not failed:
        _unpack(jars)
    if failed or not any(jars.glob("*.jar")):
        log = cache_folder() / f"{artifact.name}-{artifact.version}.fetch.log"
        log.write_text(output)
        raise ServiceError(
            f"could not fetch the jars of {artifact.name} {artifact.version} ({_reason(output)})."
            " Nothing was kept: try again, with network access to Maven's central repository."
            f" Ivy's own words are in {log}"
        )


def _unpack(jars: Path) -> None:
    for archive in jars.glob("*.tar.gz"):
        with tarfile.open(archive) as packed:
            packed.extractall(jars, filter="data")
        archive.unlink()


def _reason(ivy_output: str) -> str:
    if shutil.disk_usage(cache_folder()).free < 200 * 1024 * 1024:
        return "the disk is full"
    offline = ("HttpClientHandler", "UnknownHost", "Server access error", "timed out", "no end")
    return "the network does not answer" if any(word in ivy_output for word in offline) else "Ivy failed"


def _ivy_description(artifact: Artifact) -> str:
    dependencies = "".join(
        f'<dependency org="{group}" name="{name}" rev="{version}" conf="default->default">'
        f"{_archive_description(name, artifact.archive)}</dependency>"
        for group, name, version in artifact.modules
    )
    excludes = "".join(f'<exclude org="{group}"/>' for group in artifact.excluded_groups) + "".join(
        f'<exclude module="{name}"/>' for name in artifact.excluded_names
    )
    return (
        '<ivy-module version="2.0" xmlns:m="http://ant.apache.org/ivy/maven">'
        '<info organisation="local" module="services"/>'
        '<configurations><conf name="default"/></configurations>'
        f"<dependencies>{dependencies}{excludes}</dependencies></ivy-module>"
    )


def _archive_description(name: str, classifier: str | None) -> str:
    if classifier is None:
        return ""
    return f'<artifact name="{name}" type="tar.gz" ext="tar.gz" m:classifier="{classifier}"/>'


def _pyspark_folder() -> Path:
    found = importlib.util.find_spec("pyspark")  # not imported: that alone takes half a second
    if found is None or found.origin is None:
        raise ServiceError("pyspark is not installed, and its Ivy fetches the jars: run scripts/environment")
    return Path(found.origin).parent
