"""One task's answer, held against its order: are these the ranges, are the counts and files possible?

A manifest is arithmetic about rows that nobody looks at again before the commit, so every relation
between its numbers that must hold is checked, and the first that does not is raised as CoverageGap.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple

from loader.errors import CoverageGap
from loader.values import DataFile, LoadedRange, OffsetRange, Split, TopicPartition, united
from loader.values.layout import quarantine_folder, topic_folder


def gap(where: str, problem: str) -> CoverageGap:
    """The error of this gate; `where` says which split, or that it is the plan."""
    return CoverageGap(
        f"{where}: {problem}. Nothing was committed; what is in Kafka and what was loaded before is safe."
        " This is a bug: please report this line."
    )


def check_loaded(
    split: Split, planned: Sequence[OffsetRange], loaded: Sequence[LoadedRange], loss_allowed: bool
) -> None:
    """Exactly the planned ranges, each once, with counts that explain each of their offsets."""
    where = f"split {split.index}"
    wanted, found = Counter(planned), Counter(entry.range for entry in loaded)
    if missing := wanted - found:
        raise gap(where, f"did not load {listed(missing)}")
    if surplus := found - wanted:
        raise gap(where, f"loaded {listed(surplus)}, which was not asked of it")
    for entry in loaded:
        counts = entry.counts
        if min(astuple(counts)) < 0 or entry.fetched_bytes < 0 or entry.leader_epoch < -1:
            # A negative count would make up for offsets that nobody saw.
            raise gap(where, f"a number that cannot be in {entry}")
        if counts.explained_count != entry.range.offset_count:
            raise gap(
                where,
                f"{entry.range} has {entry.range.offset_count} offsets, but {counts.explained_count}"
                f" are explained: {counts}",
            )
        if counts.lost_count != _union_size(entry.lost_ranges) or not _lie_in(entry.range, entry.lost_ranges):
            named = listed(entry.lost_ranges)
            raise gap(where, f"{entry.range} counts {counts.lost_count} lost offsets, but names {named}")
        if counts.lost_count and not loss_allowed:
            raise gap(where, f"{entry.range} lost {counts.lost_count} offsets, and nobody allowed it")


def check_files(split: Split, loaded: Sequence[LoadedRange], files: Sequence[DataFile]) -> None:
    """The files hold as many rows as were counted, of offsets that were loaded; each file is possible.

    Rows and quarantined records are counted apart, each in files of its own.
    """
    where = f"split {split.index}"
    stretches = _stretches(entry.range for entry in loaded)
    for file in files:
        _check_file(where, file, stretches)
    rows = [file for file in files if not file.is_quarantine]
    quarantine = [file for file in files if file.is_quarantine]
    row_counts = {each.range: each.counts.row_count for each in loaded}
    bad_counts = {each.range: each.counts.quarantined_count for each in loaded}
    _check_totals(where, "rows", rows, row_counts)
    _check_room(where, "rows", rows, row_counts)
    _check_totals(where, "quarantined records", quarantine, bad_counts)
    _check_room(where, "quarantined records", quarantine, bad_counts)
    # An offset is a row's or a quarantined record's.
    both = {wanted: count + bad_counts[wanted] for wanted, count in row_counts.items()}
    _check_room(where, "rows and quarantined records", files, both)


def _check_totals(
    where: str, what: str, files: Iterable[DataFile], counted: Mapping[OffsetRange, int]
) -> None:
    """The files of each topic hold as many as were counted of it."""
    in_files: Counter[str] = Counter()
    for file in files:
        in_files[file_topic(where, file)] += file.row_count
    of_topic: Counter[str] = Counter()
    for wanted, count in counted.items():
        of_topic[wanted.topic] += count
    for topic in sorted(of_topic.keys() | in_files.keys()):
        if of_topic[topic] != in_files[topic]:
            raise gap(where, f"{topic}: {of_topic[topic]} {what} counted, {in_files[topic]} in files")


def _check_room(where: str, what: str, files: Iterable[DataFile], counted: Mapping[OffsetRange, int]) -> None:
    """The files of each partition can hold as many as were counted of it."""
    spans: defaultdict[TopicPartition, list[OffsetRange]] = defaultdict(list)
    for file in files:
        for span in file.ranges:
            spans[span.topic_partition].append(span)
    of_partition: Counter[TopicPartition] = Counter()
    for wanted, count in counted.items():
        of_partition[wanted.topic_partition] += count
    for partition, count in of_partition.items():
        # Files of different hours overlap in offsets; a row needs an offset of its own in their union.
        held = spans[partition]
        if not _least_rows(held) <= count <= _union_size(held):
            raise gap(where, f"{partition}: {count} {what} counted, files hold {listed(held)}")


def file_topic(where: str, file: DataFile) -> str:
    """The one topic of a file."""
    topics = {span.topic for span in file.ranges}
    if len(topics) != 1:
        raise gap(where, f"{file.path} has rows of {len(topics)} topics, must be one")
    return topics.pop()


def listed(ranges: Iterable[OffsetRange]) -> str:
    """Ranges in a message: the first few, and how many more."""
    names = [str(entry) for entry in sorted(ranges)]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more if names else "no offsets"


def _check_file(
    where: str, file: DataFile, stretches: Mapping[TopicPartition, Sequence[OffsetRange]]
) -> None:
    topic = file_topic(where, file)
    folder = quarantine_folder(topic) if file.is_quarantine else topic_folder(topic)
    below = file.path.removeprefix(f"{folder}/")
    if below == file.path or any(part in ("", ".", "..") for part in below.split("/")):
        raise gap(where, f"{file.path!r} does not lie in the folder {folder}")
    if len({span.partition for span in file.ranges}) != len(file.ranges):
        raise gap(where, f"{file.path} names a partition twice: {listed(file.ranges)}")
    if file.size_bytes <= 0 or not file.staged_name:
        raise gap(where, f"{file.path} has {file.size_bytes} bytes as {file.staged_name!r}")
    least = sum(_least_rows([span]) for span in file.ranges)
    if not 0 < least <= file.row_count <= sum(span.offset_count for span in file.ranges):
        raise gap(where, f"{file.path} has {file.row_count} rows in {listed(file.ranges)}")
    earliest_ms, latest_ms = file.min_timestamp_ms, file.max_timestamp_ms
    if earliest_ms is None or latest_ms is None:
        ordered = earliest_ms is latest_ms
    else:
        ordered = earliest_ms <= latest_ms
    if not ordered:
        raise gap(where, f"{file.path} has rows from {earliest_ms} to {latest_ms} ms")
    for span in file.ranges:
        if not any(
            stretch.start_offset <= span.start_offset and span.end_offset <= stretch.end_offset
            for stretch in stretches.get(span.topic_partition, ())
        ):
            raise gap(where, f"{file.path} has rows of {span}, which was not loaded")


def _stretches(ranges: Iterable[OffsetRange]) -> dict[TopicPartition, list[OffsetRange]]:
    """Ranges by partition, adjacent or overlapping ones made one: a file may hold rows of both."""
    stretches: defaultdict[TopicPartition, list[OffsetRange]] = defaultdict(list)
    for stretch in united(ranges):
        stretches[stretch.topic_partition].append(stretch)
    return dict(stretches)


def _lie_in(whole: OffsetRange, parts: Iterable[OffsetRange]) -> bool:
    return all(
        part.topic_partition == whole.topic_partition
        and whole.start_offset <= part.start_offset
        and part.end_offset <= whole.end_offset
        for part in parts
    )


def _union_size(spans: Iterable[OffsetRange]) -> int:
    return sum(stretch.offset_count for stretch in united(spans))


def _least_rows(spans: Iterable[OffsetRange]) -> int:
    """How many rows spans stand for at least: the first and the last offset of each is a row's."""
    return sum(min(span.offset_count, 2) for span in spans)
