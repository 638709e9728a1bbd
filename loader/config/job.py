"""The job file: one job, one cluster, one destination, one ledger."""

from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from loader.config.formats import needs_registry
from loader.config.kafka import KafkaConfig
from loader.config.output import FetchConfig, LimitsConfig, PlanConfig, WriteConfig
from loader.config.registry import RegistryConfig
from loader.config.section import Conflict, Section
from loader.config.topics import TopicConfig


def _destination(url: str) -> str:
    if "://" not in url:
        fix = f"file://{url}" if url.startswith("/") else "file:///data/kafka"
        # Without a scheme the place depends on the Hadoop settings of whoever runs the job.
        raise ValueError(f"{url!r} has no scheme; write {fix} for a local folder, or hdfs://host:port/folder")
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.query or parts.fragment:
        # What stands there is not repeated: it may hold a password.
        raise ValueError("must be scheme, host and folder only, without user, '?' or '#'")
    path = parts.path.rstrip("/")
    if parts.scheme not in ("file", "hdfs"):
        raise ValueError(f"{url!r}: scheme must be file or hdfs, found {parts.scheme}")
    if parts.scheme == "file" and parts.netloc:
        raise ValueError(f"{url!r} names a host; a local folder has three slashes: file:///{url[7:]}")
    if parts.scheme == "hdfs" and not parts.netloc:
        raise ValueError(f"{url!r} names no NameNode or name service: hdfs://host:port/folder")
    if not path or any(part in ("", ".", "..") for part in path.split("/")[1:]):
        raise ValueError(f"{url!r} must name a folder below the root, without empty parts, '.' or '..'")
    return f"{parts.scheme}://{parts.netloc}{path}"


class JobSection(Section):
    """What the job is called, and where its files go."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    """Names the job's ledger, <destination>/_loader/<name>. Under another name a job starts afresh and
    loads everything again. Letters, digits, '.', '_' and '-'."""

    destination: Annotated[str, AfterValidator(_destination)]
    """The folder that gets one folder per topic: file:///data/kafka, or hdfs://namenode:8020/data/kafka."""


class JobConfig(Section):
    """A job of the Kafka loader: copies Kafka topics into Parquet files, each offset exactly once."""

    job: JobSection
    """What the job is called, and where its files go."""

    kafka: KafkaConfig
    """The cluster to read."""

    topics: Annotated[tuple[TopicConfig, ...], Field(strict=False, min_length=1)]
    """The topics to load, each entry by name or by pattern."""

    registry: RegistryConfig | None = None
    """The schema registry, where values or keys name their schema by an id."""

    fetch: FetchConfig = Field(default_factory=FetchConfig)
    """How one task reads Kafka."""

    plan: PlanConfig = Field(default_factory=PlanConfig)
    """How the work is cut into tasks."""

    limits: LimitsConfig = Field(default_factory=LimitsConfig)
    """The most that one run loads."""

    write: WriteConfig = Field(default_factory=WriteConfig)
    """The Parquet files."""

    def topic_config(self, topic: str) -> TopicConfig | None:
        """The entry that asks for a topic: by its name, else the first pattern that matches; else None."""
        by_name = (entry for entry in self.topics if entry.name == topic)
        by_pattern = (entry for entry in self.topics if entry.name is None and entry.matches(topic))
        return next(by_name, None) or next(by_pattern, None)

    def conflicts(self) -> Iterator[Conflict]:
        """Timeouts that cut one another off, topics asked for twice, and schemas that are nowhere."""
        if self.kafka.request_timeout_ms <= self.fetch.max_wait_ms:
            yield Conflict(
                ("kafka.request_timeout_ms", "fetch.max_wait_ms"),
                f"kafka.request_timeout_ms ({self.kafka.request_timeout_ms}) must exceed"
                f" fetch.max_wait_ms ({self.fetch.max_wait_ms}), or quiet fetches all time out",
            )
        for number, entry in enumerate(self.topics):
            sides = {"value": entry.value, "key": entry.key}
            for side, chosen in sides.items() if self.registry is None else ():
                if needs_registry(chosen):
                    file = "schema_file" if chosen.format == "avro" else "descriptor_file"
                    yield Conflict(
                        (f"topics.{number}", "registry"),
                        f"topics[{entry.label}].{side}: format {chosen.format} without {file} needs a"
                        " schema registry; add [registry] with its url",
                    )
        seen: dict[tuple[str | None, str | None], int] = {}
        for number, entry in enumerate(self.topics, 1):
            first = seen.setdefault((entry.name, entry.pattern), number)
            if first != number:
                key = "name" if entry.name else "pattern"
                yield Conflict(
                    (f"topics.{first - 1}", f"topics.{number - 1}"),
                    f'topics: entries {first} and {number} both have {key} "{entry.label}"; keep one',
                )
