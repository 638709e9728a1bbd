"""From what the job file says of keys and values to how tasks decode them."""

from collections.abc import Iterable, Mapping

from loader.config.formats import FormatConfig
from loader.errors import ConfigError
from loader.formats.protocol import ValueSpec
from loader.formats.string import StringSpec
from loader.formats.topic_format import TopicFormat
from loader.operations.job import Job


def resolve_formats(job: Job, topics: Iterable[str]) -> Mapping[str, TopicFormat]:
    """How the records of each topic are decoded. Raises ConfigError for what no task could do."""
    return {topic: _topic_format(job, topic) for topic in topics}


def _topic_format(job: Job, topic: str) -> TopicFormat:
    config = job.config.topic_config(topic)
    if config is None:
        return TopicFormat()
    return TopicFormat(
        value=_spec(topic, config.value),
        key=_spec(topic, config.key),
        keep_value=config.keep_value,
        rename=config.rename,
    )


def _spec(topic: str, config: FormatConfig) -> ValueSpec | None:
    if config.format == "raw":
        return None
    if config.format == "string":
        return StringSpec()
    raise ConfigError([f"{topic}: format {config.format} cannot be read yet; nothing was read or committed"])
