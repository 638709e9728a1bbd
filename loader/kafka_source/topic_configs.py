"""What topics are configured to: retention, compaction, and what else is set (the DescribeConfigs API)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kafka import errors as kafka_errors
from kafka.protocol.admin.configs import DescribeConfigsRequest

from loader.errors import BrokerUnavailable
from loader.kafka_source.client import KafkaClient

TOPIC_RESOURCE = 2

Source = Literal["topic", "broker", "default"]

# The request's schema, ConfigSource: 1 is the topic's own; 2 to 4 are brokers', by request or by their file.
_SOURCES: Mapping[int, Source] = {1: "topic", 2: "broker", 3: "broker", 4: "broker", 6: "broker"}


@dataclass(frozen=True, slots=True)
class ConfigValue:
    """A value as the broker spells it, None where it keeps it secret, and who set it."""

    value: str | None
    source: Source


@dataclass(frozen=True, slots=True)
class TopicConfigs:
    """The configs of topics, by topic and name.

    denied      topics whose config this user may not see: it needs DESCRIBE_CONFIGS
    unanswered  topics without an answer, and why
    """

    by_topic: Mapping[str, Mapping[str, ConfigValue]]
    denied: frozenset[str]
    unanswered: Mapping[str, str]


def read_topic_configs(
    client: KafkaClient, topics: Iterable[str], keys: Sequence[str] | None = None
) -> TopicConfigs:
    """The configs of topics, by one request to any broker.

    keys  names of the configs that are wanted; all when None
    """
    names = sorted(topics)
    if not names:
        return TopicConfigs({}, frozenset(), {})
    resource = DescribeConfigsRequest.DescribeConfigsResource
    wanted = None if keys is None else list(keys)
    request = DescribeConfigsRequest(
        resources=[
            resource(resource_type=TOPIC_RESOURCE, resource_name=name, configuration_keys=wanted)
            for name in names
        ],
        include_synonyms=False,
        include_documentation=False,
    )
    try:
        response = client.ask_any(request)
    except BrokerUnavailable as error:
        return TopicConfigs({}, frozenset(), dict.fromkeys(names, str(error)))
    by_topic: dict[str, Mapping[str, ConfigValue]] = {}
    denied: set[str] = set()
    unanswered = dict.fromkeys(names, "not in the broker's answer")
    for each in response.results:
        kind = kafka_errors.for_code(each.error_code)
        unanswered.pop(each.resource_name, None)
        if kind is kafka_errors.NoError:
            by_topic[each.resource_name] = {config.name: _value(config) for config in each.configs}
        elif issubclass(kind, kafka_errors.AuthorizationError):
            denied.add(each.resource_name)
        else:
            unanswered[each.resource_name] = kind.__name__
    return TopicConfigs(by_topic, frozenset(denied), unanswered)


def _value(config: Any) -> ConfigValue:
    return ConfigValue(
        None if config.is_sensitive else config.value, _SOURCES.get(config.config_source, "default")
    )
