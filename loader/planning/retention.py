"""When Kafka's retention may delete records that are not loaded yet.

Retention deletes whole segments, so records live somewhat longer than told here: all of it is "at the
earliest". A topic that is only compacted has none, and neither has one whose limits are -1.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retention:
    """The limits of one topic, of each of its partitions; None where there is none.

    time_ms  how old a record may get, by its timestamp
    size_bytes  how long the log may get, its oldest part is deleted
    """

    time_ms: int | None = None
    size_bytes: int | None = None

    @property
    def is_unlimited(self) -> bool:
        """Whether nothing is ever deleted by it."""
        return self.time_ms is None and self.size_bytes is None


def parse_retention(cleanup_policy: str, retention_ms: str, retention_bytes: str) -> Retention:
    """From the values of a topic's cleanup.policy, retention.ms and retention.bytes."""
    if "delete" not in (policy.strip() for policy in cleanup_policy.split(",")):
        return Retention()
    return Retention(_limit(retention_ms), _limit(retention_bytes))


def deleted_in_ms(
    retention: Retention, first_unread_ms: int | None, now_ms: int, unread_bytes: int
) -> int | None:
    """How long until the first record that is not loaded may be deleted; 0 where it may be at once.

    first_unread_ms  its timestamp, None where that is not known
    unread_bytes     of log that is not loaded, as estimated. That it goes on to grow as it did since
                     first_unread_ms is assumed, to tell when it outgrows retention.bytes

    None where nothing ever deletes it, or it cannot be told.
    """
    if first_unread_ms is None:
        return None
    left: list[int] = []
    if retention.time_ms is not None:
        left.append(first_unread_ms + retention.time_ms - now_ms)
    if retention.size_bytes is not None and unread_bytes > 0:
        age_ms = max(now_ms - first_unread_ms, 0)
        left.append(age_ms * (retention.size_bytes - unread_bytes) // unread_bytes)
    return max(min(left), 0) if left else None


def _limit(value: str) -> int | None:
    number = int(value)
    return number if number >= 0 else None
