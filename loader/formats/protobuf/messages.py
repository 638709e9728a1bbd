"""Messages into the room, one pass over their bytes.

A message's fields come in any order, its lists in pieces, and messages within it in pieces that merge: still
each value has its place when it is met. Structs have one entry for each of what they lie in, so the entry of
a field is that of its message; and elements of a list go to the end of its stretch, where until its message
ends nobody else puts any.
"""

import numpy as np

from loader.formats.filling import GOOD, PayloadOfKernel, VerdictsOfKernel
from loader.formats.nodes import NodesOfKernel
from loader.formats.protobuf import kinds, problems
from loader.formats.protobuf.entries import arrive, withdraw
from loader.formats.protobuf.finish import finish_value
from loader.formats.protobuf.scalars import read_scalar
from loader.formats.protobuf.search import find_row
from loader.formats.protobuf.tables import (
    DENSE_COUNT,
    DENSE_NUMBERS,
    ENUM,
    FIELD_COUNT,
    FIRST_DENSE,
    FIRST_FIELD,
    FIRST_RIVAL,
    KIND,
    LABEL,
    MESSAGE,
    MESSAGE_NODE,
    NODE,
    NUMBER,
    RIVAL_COUNT,
    ROOT_MESSAGE,
    WIRE,
    TablesOfKernel,
)
from loader.formats.protobuf.wire import read_size, read_tag, skip_field
from loader.formats.protobuf.work import (
    BYTES_LEFT,
    ENTRY_BYTES,
    LETTERS_USED,
    MORE_SLOTS,
    TROUBLE_NODE,
    TROUBLE_PLACE,
    WorkOfKernel,
    fail,
)
from loader.formats.room import RoomOfKernel, begin_value, next_entry, put_null, take_back
from loader.records.kernel import Bytes, ReadOnlyBytes, lean_kernel, part


@lean_kernel
def fill_messages(
    room: RoomOfKernel,
    nodes: NodesOfKernel,
    payload: PayloadOfKernel,
    first_row: int,
    verdicts: VerdictsOfKernel,
    scratch: Bytes,
    tables: TablesOfKernel,
    work: WorkOfKernel,
    seed: int,
) -> tuple[int, int]:
    """Read messages, from a row on, into the room; those that are bad, or not to be read, as null.

    scratch  uint8[s]  in/out  names of enums, then numbers that have no name
    seed     int64     in      nobody's guess

    Returns (row count, -1), or where the room is full (the row that did not fit, the full node); where a map
    needs more `work.slots`, (its row, MORE_SLOTS).
    """
    row = first_row
    while row < payload.present.shape[0]:
        begin_value(room)
        letters_used = work.counters[LETTERS_USED]
        bytes_left = work.counters[BYTES_LEFT]
        root = work.roots[row]
        if root < 0 or payload.present[row] == 0:
            put_null(room, nodes, 0)
            row += 1
            continue
        end = payload.offsets[row + 1]
        found = _read_message(payload.data, work.bodies[row], end, root, room, nodes, tables, scratch, work)
        if found == GOOD:
            found = finish_value(payload.data, end, root, room, nodes, tables, work, seed)
        if found != GOOD:
            take_back(room)
            work.counters[LETTERS_USED] = letters_used
            work.counters[BYTES_LEFT] = bytes_left
            if found == MORE_SLOTS:
                return row, MORE_SLOTS
            if found < 0:
                return row, ~found
            verdicts.codes[row] = found
            verdicts.nodes[row] = work.counters[TROUBLE_NODE]
            verdicts.places[row] = work.counters[TROUBLE_PLACE] - payload.offsets[row]
            put_null(room, nodes, 0)
        row += 1
    return row, -1


@part
def _find_field(tables: TablesOfKernel, message: int, number: int) -> int:
    """The field's row, or -1."""
    if number < DENSE_NUMBERS:
        if number < tables.messages[np.uint64(message), DENSE_COUNT]:
            field: int = tables.dense[np.uint64(tables.messages[np.uint64(message), FIRST_DENSE] + number)]
            return field
        return -1
    first: int = tables.messages[np.uint64(message), FIRST_FIELD]
    row: int = find_row(
        tables.fields, NUMBER, first, first + tables.messages[np.uint64(message), FIELD_COUNT], number
    )
    return row


@part
def _new_element(room: RoomOfKernel, nodes: NodesOfKernel, node: int, label: int) -> int:
    """Add a null entry to what a list or map holds.

    Returns which entry it is, from the start of its stretch, or the node that is full as ~node.
    """
    child = node + 1
    place: int = put_null(room, nodes, child)
    if place >= 0 and label == kinds.MAP:
        second = put_null(room, nodes, nodes.ends[child])
        if second < 0:
            return second
    if place >= 0:
        place -= room.starts[child]
    return place


@part
def _read_message(
    payload: ReadOnlyBytes,
    at: int,
    end: int,
    root: int,
    room: RoomOfKernel,
    nodes: NodesOfKernel,
    tables: TablesOfKernel,
    scratch: Bytes,
    work: WorkOfKernel,
) -> int:
    """Read one value. Returns GOOD, what is wrong, or the node that is full as ~node."""
    entry: int = put_null(room, nodes, 0) - room.starts[0]
    message = tables.roots[root, ROOT_MESSAGE]
    arrive(room, tables, message, entry)
    depth = 0
    while True:
        while at == end:
            if depth == 0:
                return GOOD
            depth -= 1
            message, end, entry = work.frames[depth, 0], work.frames[depth, 1], work.frames[depth, 2]
        start = at
        tag, at = read_tag(payload, at, end)
        if at < 0:
            return fail(work, -at, tables.messages[np.uint64(message), MESSAGE_NODE], start)
        field = _find_field(tables, message, tag >> 3)
        if field < 0:
            at = skip_field(payload, at, end, tag, work.groups)
            if at < 0:
                return fail(work, -at, tables.messages[np.uint64(message), MESSAGE_NODE], start)
            continue
        wire, label = tag & 7, tables.fields[np.uint64(field), LABEL]
        kind, node = tables.fields[np.uint64(field), KIND], int(tables.fields[np.uint64(field), NODE])
        if wire == tables.fields[np.uint64(field), WIRE]:
            if kind == kinds.MESSAGE:
                size, at = read_size(payload, at, end)
                if at < 0:
                    return fail(work, -at, node, start)
                inner: int = tables.fields[np.uint64(field), MESSAGE]
                inner_entry = entry
                if label == kinds.SINGLE:
                    _withdraw_rivals(room, nodes, tables, work, field, entry)
                    if room.present[room.starts[np.uint64(node)] + entry] == 0:
                        arrive(room, tables, inner, entry)
                else:
                    work.counters[BYTES_LEFT] -= ENTRY_BYTES * (nodes.ends[node] - node)
                    if work.counters[BYTES_LEFT] < 0:
                        return fail(work, problems.TOO_LARGE, node, start)
                    inner_entry = _new_element(room, nodes, node, label)
                    if inner_entry < 0:
                        return inner_entry
                    room.firsts[room.starts[np.uint64(node)] + entry] += 1
                    arrive(room, tables, inner, inner_entry)
                work.frames[depth, 0], work.frames[depth, 1], work.frames[depth, 2] = message, end, entry
                depth += 1
                message, end, entry = inner, at + size, inner_entry
                continue
            place: int = room.starts[np.uint64(node)] + entry
            if label == kinds.LIST:
                room.firsts[np.uint64(place)] += 1
                work.counters[BYTES_LEFT] -= ENTRY_BYTES
                place = next_entry(room, node + 1)
                if place < 0:
                    return ~(node + 1)
                room.seconds[np.uint64(place)] = 0
            else:
                _withdraw_rivals(room, nodes, tables, work, field, entry)
                room.present[np.uint64(place)] = 1
            enum = tables.fields[np.uint64(field), ENUM]
            at = read_scalar(payload, at, end, kind, enum, room, place, tables, scratch, work)
            if at < 0:
                return fail(work, -at, node, start)
            if work.counters[BYTES_LEFT] < 0:
                return fail(work, problems.TOO_LARGE, node, start)
        elif wire == kinds.LENGTH and label == kinds.LIST and kind < kinds.STRING:
            size, at = read_size(payload, at, end)
            if at < 0:
                return fail(work, -at, node, start)
            list_place, packed_end = room.starts[np.uint64(node)] + entry, at + size
            enum = tables.fields[np.uint64(field), ENUM]
            while at < packed_end:
                start = at
                room.firsts[list_place] += 1
                work.counters[BYTES_LEFT] -= ENTRY_BYTES
                place = next_entry(room, node + 1)
                if place < 0:
                    return ~(node + 1)
                room.seconds[np.uint64(place)] = 0
                at = read_scalar(payload, at, packed_end, kind, enum, room, place, tables, scratch, work)
                if at < 0:
                    return fail(work, -at, node, start)
                if work.counters[BYTES_LEFT] < 0:
                    return fail(work, problems.TOO_LARGE, node, start)
        else:
            at = skip_field(payload, at, end, tag, work.groups)
            if at < 0:
                return fail(work, -at, node, start)


@part
def _withdraw_rivals(
    room: RoomOfKernel,
    nodes: NodesOfKernel,
    tables: TablesOfKernel,
    work: WorkOfKernel,
    field: int,
    entry: int,
) -> None:
    """Of a oneof only the field that came last is there."""
    first = tables.fields[np.uint64(field), FIRST_RIVAL]
    for row in range(first, first + tables.fields[np.uint64(field), RIVAL_COUNT]):
        rival = tables.rivals[row]
        if room.present[room.starts[rival] + entry]:
            withdraw(room, nodes, tables, work, rival, entry)
