"""Looking at live topics: what `tail` shows, part by part. Commits nothing but a group's position.

A round reads every partition up to the end that it had when the round began, the oldest record first. Without
following there is one round. With it one comes after the other; a member of a group reads the partitions
that the group gives it, and begins a new round when they are shared out anew.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import islice

from loader.config.starts import Latest, Start
from loader.errors import BrokerUnavailable
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.group_member import GroupMember
from loader.kafka_source.reader import RangeReader
from loader.kafka_source.settings import KafkaSettings
from loader.operations.job import Job
from loader.operations.live.tail_places import Places, Unanswered, first_offsets
from loader.operations.live.tail_reading import TopicReading
from loader.operations.live.tail_records import RecordShaper, TailRecord
from loader.values import OffsetRange, TopicPartition

FETCH_BYTES = 256 * 1024
"""Of one fetch: every partition has one at hand while the oldest record of all is looked for."""

MOST_RECORDS = 100
"""Of one part: a person who pauses sees no more of them."""


@dataclass(frozen=True, slots=True)
class Newest:
    """Begin with the newest records, this many of each topic; they come in the order of time."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TailRequest:
    """What to show.

    begin      of a member of a group: Earliest or Latest, where the group has no position yet
    partition  only this one of each topic
    follows    whether to go on when the end is reached
    group      the consumer group to join
    """

    topics: tuple[str, ...]
    begin: Start | Newest
    partition: int | None = None
    follows: bool = False
    group: str | None = None


class Tail:
    """Records of live topics, part by part. Open it by `open_tail`, and close it.

    notices  what a person should know of what is not shown, in words; taken away by who tells them
    columns  by topic those of its values, where it has a format with fields
    """

    def __init__(
        self,
        request: TailRequest,
        places: Places,
        reader: RangeReader,
        shaper: RecordShaper,
        member: GroupMember | None,
    ) -> None:
        self.notices: list[str] = []
        self.columns = shaper.columns
        self._request = request
        self._places = places
        self._reading = TopicReading(reader, places.topic_ids, places.settings.isolation, shaper, self._lost)
        self._member = member
        self._generation = -1
        self._next_offsets: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._round: Iterator[TailRecord] | None = None
        self._ends: dict[TopicPartition, int] = {}
        self._has_ended = False
        self._silent_since_s: float | None = None
        self._told: Unanswered = {}

    @property
    def unanswered(self) -> Unanswered:
        """Partitions of which nothing can be shown, and why."""
        return self._places.unanswered

    def begin(self) -> None:
        """Find out where to begin. Raises ConfigError, BrokerUnavailable."""
        if self._member is not None:
            return
        ends = self._places.ends
        match self._request.begin:
            case Newest(count):
                records = self._reading.newest(self._ranges(self._places.starts), count)
                self._next_offsets = dict(ends)
                self._round, self._ends = iter(records), dict(ends)
            case begin:
                self._next_offsets = first_offsets(self._places, begin)
                self._begin_round()

    def next(self) -> list[TailRecord] | None:
        """The next records, at most MOST_RECORDS; none when there are no new ones yet; None at the end.

        Never waits for records that are yet to come. What it gave must be `shown` before it is called again.
        """
        if self._has_ended:
            return None
        if self._member is not None:
            self._keep(self._member)
        if self._round is None:
            self._begin_next_round()
        if self._round is None:
            return []
        records = list(islice(self._round, MOST_RECORDS))
        if not records:
            self._next_offsets.update(self._ends)  # what comes after the last record has none
            self._round = None
            self._has_ended = not self._request.follows
        return None if self._has_ended else records

    def shown(self, records: list[TailRecord]) -> None:
        """The group's position may move behind these."""
        for each in records:
            self._next_offsets[each.topic_partition] = each.offset + 1

    def waiting_count(self) -> int | None:
        """How many offsets wait to be shown, while nobody asks for them; None where no broker answers.

        Records may be fewer. Keeps the membership of the group.
        """
        if self._member is not None:
            self._keep(self._member)
        try:
            self._places.refresh()
        except BrokerUnavailable:
            return None
        return sum(
            max(0, end - self._next_offsets[each])
            for each, end in self._places.ends.items()
            if each in self._next_offsets
        )

    def close(self) -> None:
        """Commit what was shown, and leave the group."""
        if self._member is not None:
            try:
                self._commit(self._member)
            finally:
                self._member.close()

    def _keep(self, member: GroupMember) -> None:
        """Commit what was shown, and stay a member; partitions come and go here."""
        self._commit(member)  # before others may get the partitions
        member.keep()
        if member.generation != self._generation:
            self._take_over(member)

    def _commit(self, member: GroupMember) -> None:
        moved = {
            each: offset
            for each, offset in self._next_offsets.items()
            if self._committed.get(each) != offset and each in member.partitions
        }
        if moved:
            member.commit(moved)
            self._committed.update(moved)

    def _take_over(self, member: GroupMember) -> None:
        """Begin at the group's position in what is owned from now on."""
        generation = member.generation
        committed = member.committed()
        self._committed = {each: offset for each, offset in committed.items() if offset is not None}
        self._next_offsets = dict(self._committed)
        self._generation = generation
        self._round = None

    def _begin_next_round(self) -> None:
        """Begin a round, if there is something new."""
        try:
            self._places.refresh()
        except BrokerUnavailable as error:
            self._wait_for_brokers(error)
            return
        if self._silent_since_s is not None:
            self._silent_since_s = None
            self.notices.append("the brokers answer again")
        self._tell_unanswered()
        self._add_partitions()
        self._begin_round()

    def _add_partitions(self) -> None:
        """Those that were created since, and those in which the group has no position yet."""
        places, member = self._places, self._member
        is_latest = member is not None and self._request.begin == Latest()
        first = places.ends if is_latest else places.starts
        for each in first.keys() - self._next_offsets.keys():
            if member is None or each in member.partitions:
                self._next_offsets[each] = first[each]

    def _begin_round(self) -> None:
        ranges = self._ranges(self._next_offsets)
        self._ends = {each.topic_partition: each.end_offset for each in ranges}
        self._round = self._reading.merged(ranges) if ranges or not self._request.follows else None

    def _ranges(self, first: Mapping[TopicPartition, int]) -> list[OffsetRange]:
        """From these offsets to the ends, of partitions that have something there."""
        return [
            OffsetRange(each.topic, each.partition, first[each], end)
            for each, end in sorted(self._places.ends.items())
            if each in first and first[each] < end
        ]

    def _lost(self, lost: OffsetRange) -> None:
        self.notices.append(f"{lost}: Kafka deleted these offsets before they could be shown")

    def _wait_for_brokers(self, error: BrokerUnavailable) -> None:
        """Bear brokers that are away as long as a task would. Raises BrokerUnavailable after that."""
        now_s = time.monotonic()
        if self._silent_since_s is None:
            self._silent_since_s = now_s
            self.notices.append(f"waiting for the brokers: {error}")
        if not self._request.follows or now_s - self._silent_since_s > self._places.settings.stall_timeout_s:
            raise error

    def _tell_unanswered(self) -> None:
        if self._told.keys() != self.unanswered.keys():
            self._told = dict(self.unanswered)
            self.notices += [f"{each}: is not shown: {reason}" for each, reason in sorted(self._told.items())]


@contextmanager
def open_tail(settings: KafkaSettings, request: TailRequest, job: Job | None) -> Iterator[Tail]:
    """Open what `request` asks for.

    job  whose formats decode the records; None: they are shown as produced

    Raises ConfigError for topics, partitions and offsets that are not there, AccessDenied, UnusableSchema,
    and RunAgainLater where brokers or the registry do not answer.
    """
    settings = replace(settings, fetch_max_bytes=FETCH_BYTES)
    with ExitStack() as stack:
        client = stack.enter_context(KafkaClient(settings))
        client.connect(settings.request_timeout_ms)
        places = Places(client, request.topics, request.partition)
        places.refresh()
        shaper = RecordShaper(request.topics, job)
        member = None if request.group is None else GroupMember(settings, request.group, request.topics)
        # What was deleted meanwhile can be shown to nobody: it is told, and the rest is shown.
        tail = Tail(request, places, RangeReader(client, loss_allowed=True), shaper, member)
        stack.callback(tail.close)
        tail.begin()
        yield tail
