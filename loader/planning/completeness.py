"""Up to which time a partition, or a topic, is complete: what was produced before is loaded.

    complete up to T  =  every record that Kafka holds with a timestamp before T is loaded

Of a partition with records that are not loaded, T is the timestamp of the first of them; of one that has
none, also an idle one, the moment at which its end was asked for. Of a topic it is the earliest T of its
partitions.

That is exact where timestamps rise within a partition, as those that the broker sets do. A producer may set
older ones: what it sends from now on, or has sent behind the first record that is not loaded, can be from
before T. Who closes an hour on this leaves such records some time.
"""

from collections.abc import Iterable


def complete_up_to(
    next_offset: int, high_watermark: int, first_unread_ms: int | None, asked_at_ms: int
) -> int | None:
    """T of one partition, in ms since 1970, exclusive: a record of exactly T may be missing.

    next_offset      the first offset that is not loaded
    high_watermark   end of the partition, exclusive, also of what an open transaction holds back
    first_unread_ms  timestamp of the first record at or behind next_offset; None where it is not known, or
                     the record has none
    asked_at_ms      when the end was asked for; T is never after it, though a producer's clock may be ahead

    None where it cannot be told: nothing follows from a record without a time.
    """
    if next_offset >= high_watermark:
        return asked_at_ms
    if first_unread_ms is None:
        return None
    return min(first_unread_ms, asked_at_ms)


def all_complete_up_to(partitions: Iterable[int | None]) -> int | None:
    """T of several partitions together: the earliest; None where one is not known, or there are none."""
    earliest: int | None = None
    for each in partitions:
        if each is None:
            return None
        earliest = each if earliest is None else min(earliest, each)
    return earliest
