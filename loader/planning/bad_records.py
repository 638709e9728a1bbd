"""How many records that cannot be decoded are too many."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from loader.errors import ALLOW_BAD, CORRECT_FORMAT, LEAVE_OUT, TooManyBadRecords
from loader.values import BadRecord, LoadedRange, RangeCounts
from loader.values.bad_records import MOST_TOLD

DEFAULT_LIMIT = 0.01


def too_many_bad(
    loaded: Iterable[LoadedRange], told: Iterable[BadRecord], limits: Mapping[str, float]
) -> dict[str, TooManyBadRecords]:
    """The topics with more bad records in this run than they may have.

    loaded  all that was loaded of each topic
    told    some of the bad records, for the message
    limits  by topic: a number, or below 1 a fraction of the records; one percent where there is none
    """
    counts: defaultdict[str, RangeCounts] = defaultdict(RangeCounts)
    for each in loaded:
        counts[each.range.topic] += each.counts
    examples: defaultdict[str, list[BadRecord]] = defaultdict(list)
    for record in sorted(told, key=lambda each: (each.partition, each.offset)):
        examples[record.topic].append(record)
    return {
        topic: _error(topic, of_topic, limits.get(topic, DEFAULT_LIMIT), examples[topic][:MOST_TOLD])
        for topic, of_topic in sorted(counts.items())
        if is_beyond(of_topic, limits.get(topic, DEFAULT_LIMIT))
    }


def is_beyond(counts: RangeCounts, limit: float) -> bool:
    """Whether there are more bad records than the limit lets pass.

    As a fraction it never lets pass a topic of which all records are bad: it is below 1.
    """
    if limit < 1:
        limit *= counts.row_count + counts.quarantined_count
    return counts.quarantined_count > limit


def _error(topic: str, counts: RangeCounts, limit: float, examples: Iterable[BadRecord]) -> TooManyBadRecords:
    bad_count, record_count = counts.quarantined_count, counts.row_count + counts.quarantined_count
    allowed = f"{limit * 100:g} %" if 0 < limit < 1 else f"{limit:g}"
    shown = "".join(f"\n    {each}" for each in examples)
    return TooManyBadRecords(
        f"{topic}: {bad_count} of {record_count} records cannot be decoded, and max_bad_records allows"
        f" {allowed}. Nothing of this topic was committed; what is in Kafka is safe. The first:{shown}",
        [CORRECT_FORMAT, ALLOW_BAD, LEAVE_OUT],
    )
