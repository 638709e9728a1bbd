"""A range of a live topic, decoded part by part, for whoever looks at records and does not load them."""

from collections.abc import Iterator, Sequence

from loader.kafka_source.reader import RangeReader
from loader.records.decoder import DecodedRecords, Isolation, decode
from loader.values import LostOffsets, OffsetRange


def decoded_parts(
    reader: RangeReader,
    wanted: OffsetRange,
    topic_id: str,
    isolation: Isolation,
    coming: Sequence[OffsetRange] = (),
) -> Iterator[DecodedRecords | LostOffsets]:
    """The parts of a range in their order, and in their places offsets that Kafka has deleted meanwhile.

    coming  ranges of the topic that are read next: what is fetched may bring their beginnings along

    Raises what RangeReader raises, and CorruptBatch.
    """
    position = wanted.start_offset
    for fetched in reader.fetches(wanted, topic_id, coming):
        if isinstance(fetched, LostOffsets):
            position = fetched.range.end_offset
            yield fetched
            continue
        for decoded in decode(fetched, wanted, position, isolation):
            position = decoded.next_offset
            yield decoded
