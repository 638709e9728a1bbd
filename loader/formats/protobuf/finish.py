"""What is only known once a message is whole: what it lacks, its moments, and keys that maps have twice."""

from loader.formats.filling import GOOD
from loader.formats.nodes import NodesOfKernel
from loader.formats.protobuf import problems
from loader.formats.protobuf.keys import mark_repeated_keys
from loader.formats.protobuf.tables import (
    FIRST_MOMENT,
    FIRST_REQUIRED,
    MOMENT_COUNT,
    REQUIRED_COUNT,
    TablesOfKernel,
)
from loader.formats.protobuf.work import MORE_SLOTS, REPEATED_KEYS, WorkOfKernel, fail
from loader.formats.room import RoomOfKernel
from loader.records.kernel import ReadOnlyBytes, part

FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799
"""A Timestamp lies in the years 1 to 9999."""

LONGEST_SECONDS = 315_576_000_000
"""A Duration is up to 10,000 years, either way."""


@part
def finish_value(
    payload: ReadOnlyBytes,
    end: int,
    root: int,
    room: RoomOfKernel,
    nodes: NodesOfKernel,
    tables: TablesOfKernel,
    work: WorkOfKernel,
    seed: int,
) -> int:
    """Finish all entries since `begin_value`. Returns GOOD, what is wrong, or MORE_SLOTS.

    end  int64  in  where the value ended, for what is wrong with the whole
    """
    first = tables.roots[root, FIRST_REQUIRED]
    for row in range(first, first + tables.roots[root, REQUIRED_COUNT]):
        node = tables.required[row, 0]
        around = tables.required[row, 1]
        for i in range(room.marks[node], room.counts[node]):
            if room.present[room.starts[around] + i] and not room.present[room.starts[node] + i]:
                return fail(work, problems.MISSING_REQUIRED, node, end)
    first = tables.roots[root, FIRST_MOMENT]
    for row in range(first, first + tables.roots[root, MOMENT_COUNT]):
        node = tables.moments[row, 0]
        for at in range(room.starts[node] + room.marks[node], room.starts[node] + room.counts[node]):
            if room.present[at] and not _to_microseconds(room, at, tables.moments[row, 1]):
                return fail(work, problems.OUT_OF_RANGE, node, end)
    for row in range(tables.maps.shape[0]):
        node = tables.maps[row]
        key = node + 1
        place = room.starts[key] + room.marks[key]
        for at in range(room.starts[node] + room.marks[node], room.starts[node] + room.counts[node]):
            count = room.firsts[at]
            if count > 1:
                if 2 * count > work.slots.shape[0]:
                    return MORE_SLOTS
                work.counters[REPEATED_KEYS] += mark_repeated_keys(
                    payload, room, nodes, key, place, count, seed, work.slots
                )
            place += count
    return GOOD


@part
def _to_microseconds(room: RoomOfKernel, at: int, is_duration: int) -> bool:
    """Turn an entry of seconds and nanoseconds into one of microseconds; false where they cannot be."""
    seconds, nanos = room.firsts[at], room.seconds[at]
    if is_duration:
        if abs(seconds) > LONGEST_SECONDS or abs(nanos) > 999_999_999:
            return False
        if (seconds > 0 and nanos < 0) or (seconds < 0 and nanos > 0):
            return False
        room.firsts[at] = seconds * 1_000_000 + (nanos // 1000 if nanos >= 0 else -(-nanos // 1000))
        return True
    if seconds < FIRST_SECOND or seconds > LAST_SECOND or nanos < 0 or nanos > 999_999_999:
        return False
    room.firsts[at] = seconds * 1_000_000 + nanos // 1000
    return True
