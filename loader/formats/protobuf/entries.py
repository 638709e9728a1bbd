"""Entries of the room as messages need them: they arrive with defaults, and are taken back with a oneof."""

import numpy as np

from loader.formats.nodes import LIST, MAP, NodesOfKernel
from loader.formats.protobuf.tables import ARRIVAL_COUNT, FIRST_ARRIVAL, TablesOfKernel
from loader.formats.protobuf.work import WorkOfKernel
from loader.formats.room import RoomOfKernel
from loader.records.kernel import lean_kernel, part


@part
def arrive(room: RoomOfKernel, tables: TablesOfKernel, message: int, entry: int) -> None:
    """Make a message be there, with empty lists and the defaults of what tracks no presence.

    entry  int64  in  which entry of its nodes, from the start of their stretches
    """
    first = tables.messages[message, FIRST_ARRIVAL]
    for index in range(first, first + tables.messages[message, ARRIVAL_COUNT]):
        row = np.uint64(index)
        at = np.uint64(room.starts[np.uint64(tables.arrivals[row, 0])] + entry)
        room.present[at] = 1
        room.firsts[at] = tables.arrivals[row, 1]
        room.seconds[at] = tables.arrivals[row, 2]


@lean_kernel
def withdraw(
    room: RoomOfKernel,
    nodes: NodesOfKernel,
    tables: TablesOfKernel,
    work: WorkOfKernel,
    node: int,
    entry: int,
) -> None:
    """Make a field be null again, with all that lies within: another one of its oneof came later.

    What its lists hold stands at the end of their stretches: nobody else has put there since.
    """
    each = node
    while each < nodes.ends[node]:
        at = room.starts[each] + entry
        if nodes.kinds[each] == LIST or nodes.kinds[each] == MAP:
            if room.firsts[at] > 0:
                _drop_elements(room, nodes, tables, work, each, room.firsts[at])
            following = nodes.ends[each]
        else:
            following = each + 1
        room.present[at] = 0
        room.firsts[at] = 0
        room.seconds[at] = 0
        each = following


@lean_kernel
def _drop_elements(
    room: RoomOfKernel,
    nodes: NodesOfKernel,
    tables: TablesOfKernel,
    work: WorkOfKernel,
    node: int,
    count: int,
) -> None:
    """Forget the last elements of a list or map, and those within them."""
    work.dropped[node] = count
    for each in range(node + 1, nodes.ends[node]):
        gone = work.dropped[tables.owners[each]]
        if nodes.kinds[each] == LIST or nodes.kinds[each] == MAP:
            end = room.starts[each] + room.counts[each]
            total = 0
            for at in range(end - gone, end):
                total += room.firsts[at]
            work.dropped[each] = total
        room.counts[each] -= gone
