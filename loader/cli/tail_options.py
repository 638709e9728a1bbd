"""What the options of `tail` ask for, and which of them do not go together."""

from collections.abc import Iterator
from dataclasses import dataclass

from loader.cli.places import parse_begin
from loader.config.kafka import listed
from loader.config.starts import AtOffsets, AtTimestamp, Latest, Start
from loader.errors import ConfigError
from loader.operations.live.tail import Newest, TailRequest

DEFAULT_LAST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class TailOptions:
    """The options as they were typed; None where one was not."""

    topics: tuple[str, ...]
    last: int | None = None
    begin: str | None = None
    partition: int | None = None
    offset: int | None = None
    count: int | None = None
    follows: bool = False
    group: str | None = None

    def request(self, now_ms: int) -> TailRequest:
        """What to show. Raises ConfigError, which names every conflict."""
        problems = list(self._problems())
        if problems:
            raise ConfigError(problems)
        return TailRequest(
            topics=tuple(dict.fromkeys(self.topics)),
            begin=self._begin(now_ms),
            partition=self.partition,
            follows=self.follows or self.group is not None,
            group=self.group,
        )

    def _begin(self, now_ms: int) -> Start | Newest:
        if self.partition is not None and self.offset is not None:
            return AtOffsets({self.partition: self.offset})
        if self.begin is not None:
            begin = parse_begin("--from", self.begin, now_ms)
            if self.group is not None and isinstance(begin, AtTimestamp):
                raise ConfigError(
                    ["--from: with --group only earliest or latest, for where the group has no position"]
                )
            return begin
        if self.group is not None:
            return Latest()
        last = DEFAULT_LAST if self.last is None else self.last
        is_bounded = self.last is None and self.count is not None
        return Newest(min(last, self.count or last) if is_bounded else last)

    def _problems(self) -> Iterator[str]:
        if self.offset is not None and self.partition is None:
            yield "--offset needs --partition: offsets of one partition mean nothing in another"
        if self.offset is not None and len(set(self.topics)) > 1:
            yield "--offset needs one topic: offsets of one mean nothing in another"
        beginnings = [
            name
            for name, value in (("--last", self.last), ("--from", self.begin), ("--offset", self.offset))
            if value is not None
        ]
        if len(beginnings) > 1:
            yield f"{listed(beginnings)} each say where to begin: keep one"
        for name, value in (("--last", self.last), ("--partition", self.partition)):
            if self.group is not None and value is not None:
                yield f"--group and {name} do not go together: the group says which records come"
        ends_by_itself = not self.follows and self.group is None
        if self.count is not None and ends_by_itself and self.begin is None and self.offset is None:
            yield "--count needs --from, --offset, --follow or --group; the newest N records are --last N"
