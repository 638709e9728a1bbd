"""What waits in Kafka, as `plan` and `status` show it: how much, how old, of which topics."""

from collections.abc import Callable, Container, Iterable, Sequence
from heapq import nlargest
from typing import TypeVar

from loader.cli import text
from loader.errors import ConfigError
from loader.operations.watch.outlook import PartitionOutlook

T = TypeVar("T")

FEW_PARTITIONS = 20
"""Shown one by one where nobody asks for all; of more, totals of each topic."""

MOST_TOPICS = 50
"""Shown where nobody asks for all: those with most to load."""

UNKNOWN = "-"


def age(milliseconds: int | None) -> str:
    """How old something is: 0 s, 42 s, 3 min 20 s, 2 h 5 min, 12 days."""
    if milliseconds is None:
        return UNKNOWN
    days = milliseconds // 86_400_000
    if days >= 2:
        return f"{text.count(days)} days"
    return text.duration(milliseconds / 1000) if milliseconds else "0 s"


def oldest(ages_ms: Iterable[int | None]) -> int | None:
    """The highest of several ages; None where one is not known."""
    known: list[int] = []
    for each in ages_ms:
        if each is None:
            return None
        known.append(each)
    return max(known, default=None)


def told_or_unknown(value: T | None, tell: Callable[[T], str]) -> str:
    """A value in words, or that it is not known."""
    return UNKNOWN if value is None else tell(value)


def largest(topics: Sequence[T], size: Callable[[T], float], *, all_topics: bool) -> list[T]:
    """The topics to show, in their order: all, or those with most to load."""
    if all_topics or len(topics) <= MOST_TOPICS:
        return list(topics)
    chosen = set(nlargest(MOST_TOPICS, range(len(topics)), key=lambda number: size(topics[number])))
    return [topic for number, topic in enumerate(topics) if number in chosen]


def tell_left_out(topic_count: int, offset_count: int) -> None:
    """A line below a table of topics that does not show all of them."""
    if topic_count:
        text.say(
            f"… and {text.plural(topic_count, 'topic')} more with {text.plural(offset_count, 'offset')};"
            " --partitions shows all"
        )


def only_topic(
    topic: str | None, partitions: Sequence[PartitionOutlook], failed: Container[str]
) -> tuple[PartitionOutlook, ...]:
    """The partitions of one topic, or all. Raises ConfigError for a topic that the job does not load."""
    if topic is None:
        return tuple(partitions)
    found = tuple(each for each in partitions if each.wanted.topic == topic)
    require_topic(topic, bool(found) or topic in failed)
    return found


def require_topic(topic: str, is_known: bool) -> None:
    """Raise ConfigError for a topic that the job does not load."""
    if not is_known:
        raise ConfigError([f"--topic {topic}: this job loads no topic of that name"])
