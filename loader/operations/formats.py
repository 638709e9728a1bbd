"""From what the job file says of keys and values to how tasks decode them.

Schema files are read and the registry is asked here, once for a run: tasks get every schema that there is.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from loader.config.formats import (
    AvroFormat,
    FormatConfig,
    JsonFormat,
    ProtobufFormat,
    needs_registry,
    struct_of,
)
from loader.config.topics import TopicConfig
from loader.errors import ConfigError, LoaderError, UnusableSchema
from loader.formats.protocol import ValueSpec
from loader.formats.string import StringSpec
from loader.formats.topic_format import TopicFormat
from loader.operations.job import Job
from loader.registry.client import RegistryClient
from loader.registry.protoc import compile_schemas
from loader.registry.settings import RegistrySettings
from loader.values.schemas import RegisteredSchema

ASKED_AT_ONCE = 8
"""Subjects: each is a few requests one after the other, and a job can have thousands."""

Subjects = Mapping[str, tuple[RegisteredSchema, ...] | LoaderError]
"""What the registry has of each subject, or why that is not known."""


@dataclass(frozen=True, slots=True)
class ResolvedFormats:
    """The formats of some topics.

    formats   by topic
    failures  topics whose format is not known, and why; the others go on
    """

    formats: Mapping[str, TopicFormat] = field(default_factory=dict)
    failures: Mapping[str, LoaderError] = field(default_factory=dict)


def resolve_formats(job: Job, topics: Iterable[str]) -> ResolvedFormats:
    """How the records of each topic are decoded. Raises nothing that is a LoaderError: it is in the result.

    Where the registry does not answer, each topic that needs it fails by RegistryUnavailable; nobody waits
    for it twice.
    """
    configs = {topic: job.config.topic_config(topic) for topic in topics}
    subjects = _ask(job.registry, _subjects_of(configs))
    formats: dict[str, TopicFormat] = {}
    failures: dict[str, LoaderError] = {}
    for topic, config in configs.items():
        try:
            formats[topic] = TopicFormat() if config is None else _topic_format(topic, config, subjects)
        except LoaderError as error:
            failures[topic] = error
    return ResolvedFormats(formats, failures)


def _subjects_of(configs: Mapping[str, TopicConfig | None]) -> set[str]:
    return {
        _subject(topic, side, each)
        for topic, config in configs.items()
        if config is not None
        for side, each in (("value", config.value), ("key", config.key))
        if needs_registry(each)
    }


def _subject(topic: str, side: str, config: FormatConfig) -> str:
    named = config.subject if isinstance(config, AvroFormat | ProtobufFormat) else None
    return named or f"{topic}-{side}"


def _ask(settings: RegistrySettings | None, subjects: set[str]) -> Subjects:
    """Every version of each subject; a registry that is out of reach is the answer for each."""
    if not subjects:
        return {}
    if settings is None:
        return dict.fromkeys(subjects, ConfigError(["registry: required table is missing"]))
    try:
        client = RegistryClient(settings)
    except ConfigError as error:
        return dict.fromkeys(subjects, error)

    def ask(subject: str) -> tuple[RegisteredSchema, ...] | LoaderError:
        try:
            return client.all_versions(subject)
        except LoaderError as error:
            return error

    with client, ThreadPoolExecutor(ASKED_AT_ONCE, "registry") as pool:
        return dict(zip(subjects, pool.map(ask, subjects), strict=True))


def _topic_format(topic: str, config: TopicConfig, subjects: Subjects) -> TopicFormat:
    schema_ids: list[int] = []
    specs: dict[str, ValueSpec | None] = {}
    for side, each in (("value", config.value), ("key", config.key)):
        schemas: tuple[RegisteredSchema, ...] = ()
        if needs_registry(each):
            schemas = _schemas(topic, side, each, subjects)
            schema_ids += [schema.schema_id for schema in schemas]
        try:
            specs[side] = _spec(f"topics[{config.label}].{side}", each, schemas)
        except UnusableSchema as error:
            raise UnusableSchema(f"{topic}: its {side}: {error}") from None
    return TopicFormat(
        value=specs["value"],
        key=specs["key"],
        keep_value=config.keep_value,
        rename=config.rename,
        schema_ids=tuple(schema_ids),
    )


def _schemas(topic: str, side: str, config: FormatConfig, subjects: Subjects) -> tuple[RegisteredSchema, ...]:
    """The schemas of a format's own kind: a subject whose values changed their kind holds others, too."""
    subject = _subject(topic, side, config)
    found = subjects[subject]
    if isinstance(found, UnusableSchema):
        raise UnusableSchema(
            f"{topic}: its {side}: {found}. Nothing of this topic was committed; register a schema, or name"
            f" the subject in the job file by {side}.subject"
        )
    if isinstance(found, LoaderError):
        raise found
    kinds = {schema.schema_type for schema in found}
    own = tuple(schema for schema in found if schema.schema_type == config.format.upper())
    if not own:
        raise UnusableSchema(
            f"{topic}: its {side} is {config.format} by the job file, but subject {subject} of the registry"
            f" holds schemas of {', '.join(sorted(kinds))}. Nothing of this topic was committed; correct"
            f" {side}.format or {side}.subject"
        )
    return own


def _spec(place: str, config: FormatConfig, schemas: tuple[RegisteredSchema, ...]) -> ValueSpec | None:
    """The spec of one side of a topic. Imported where it is needed: each brings kernels of its own."""
    match config:
        case JsonFormat():
            from loader.formats.json.spec import JsonSpec

            return JsonSpec(struct_of(config.columns), config.unknown_fields)
        case AvroFormat():
            from loader.formats.avro.spec import AvroSpec

            if config.schema_file is None:
                return AvroSpec(schemas)
            return AvroSpec(reader=_text(f"{place}.schema_file", config.schema_file))
        case ProtobufFormat():
            return _protobuf_spec(place, config, schemas)
        case _:
            return StringSpec() if config.format == "string" else None


def _protobuf_spec(place: str, config: ProtobufFormat, schemas: tuple[RegisteredSchema, ...]) -> ValueSpec:
    try:
        from loader.formats.protobuf.columns import CompiledSchema
        from loader.formats.protobuf.spec import ProtobufSpec
    except ImportError as error:
        raise ConfigError(
            [
                f"{place}: format protobuf needs Google's runtime ({error}):"
                " pip install 'kafka-hadoop-loader[formats]'"
            ]
        ) from None
    if config.descriptor_file is not None:
        descriptors = _bytes(f"{place}.descriptor_file", config.descriptor_file)
        return ProtobufSpec(descriptor_set=descriptors, message=config.message)
    compiled = zip(schemas, compile_schemas(schemas), strict=True)
    return ProtobufSpec(
        tuple(CompiledSchema(schema.schema_id, descriptors) for schema, descriptors in compiled),
        message=config.message,
    )


def _text(place: str, name: str) -> str:
    try:
        return _bytes(place, name).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError([f"{place}: file {name} is not UTF-8 text"]) from None


def _bytes(place: str, name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        problem = error.strerror or type(error).__name__
        raise ConfigError([f"{place}: file {name} cannot be read: {problem}"]) from None
