"""The kernel that reads objects of JSON into a room, value after value, with a stack of its own."""

from typing import Annotated

import numpy as np
from numba import types
from numpy.typing import NDArray

from loader.formats.filling import PayloadOfKernel, VerdictsOfKernel
from loader.formats.json.blanks import (
    CLOSE_LIST,
    CLOSE_OBJECT,
    COLON,
    COMMA,
    NULL,
    OPEN_LIST,
    OPEN_OBJECT,
    QUOTE,
    SPACE,
    skip_blanks,
    skip_few_blanks,
    skip_literal,
)
from loader.formats.json.faults import (
    CUT,
    DUPLICATE_FIELD,
    DUPLICATE_KEY,
    NO_ROOM,
    TRAILING,
    UNKNOWN_FIELD,
    code_of,
    fault,
    place_of,
    unexpected,
)
from loader.formats.json.fields import NamesOfKernel, find_field, is_expected
from loader.formats.json.keys import has_twice
from loader.formats.json.rest import add_member, close_rest
from loader.formats.json.scalars import take_scalar, take_text, wrong_for_parts
from loader.formats.json.skipping import find_object, skip_colon, skip_value
from loader.formats.json.words import signed
from loader.formats.nodes import LIST, MAP, STRUCT, NodesOfKernel
from loader.formats.room import RoomOfKernel, begin_value, next_entry, put_null, take_back
from loader.records.kernel import Bytes, Int64s, ReadOnlyBytes, lean_kernel, part

REST, DROP, FAIL = range(3)

Stack = Annotated[NDArray[np.int64], types.int64[:, ::1]]


@part
def fill_missing(room: RoomOfKernel, nodes: NodesOfKernel, node: int, number: int) -> int:
    """Put null into each field of a struct that its entry of this number lacks. Returns 0, or a fault."""
    child = node + 1
    while child < nodes.ends[node]:
        if room.counts[child] == number:
            full = put_null(room, nodes, child)
            if full < 0:
                return fault(NO_ROOM, ~full)
        child = signed(nodes.ends[child])
    return 0


@part
def read_object(
    payload: ReadOnlyBytes,
    at: int,
    end: int,
    nodes: NodesOfKernel,
    names: NamesOfKernel,
    room: RoomOfKernel,
    unknown: int,
    stack: Stack,
    closings: Bytes,
    scratch: Bytes,
    cursor: Int64s,
) -> tuple[int, int]:
    """Read the object that begins here into the room.

    payload   uint8[n]      in      the object must end by `end`
    unknown   int64         in      REST, DROP or FAIL; with REST the last field of node 0 takes members
    stack     int64[65, 4]  out     for its own use
    closings  uint8[64]     out     for its own use
    scratch   uint8[s]      out     texts without escapes, and members no column takes
    cursor    int64[2]      in/out  where in scratch each of these goes on

    Returns (where it ends, 0), or (a fault, the node it was found in).
    """
    rest_start = cursor[1]
    rest_node = nodes.kinds.shape[0] - 1
    # What is being read: its node and entry, how many members of it are read, and for a struct how many
    # entries its fields had before, and where the guess stands what comes next.
    node, kind, members, depth = 0, STRUCT, 0, 1
    place = next_entry(room, 0)
    if place < 0:
        return fault(NO_ROOM, 0), 0
    number = place - room.starts[0]
    guess_node, guess_side = 0, 0
    member_start = at
    has_unknown = False
    is_first = True
    at += 1
    while True:
        at = skip_few_blanks(payload, at, end)
        if at >= end:
            return fault(CUT, end), node
        byte = payload[np.uint64(at)]
        is_closing = is_first and byte == (CLOSE_LIST if kind == LIST else CLOSE_OBJECT)
        if not is_closing:
            child = node + 1
            if kind != LIST:
                if byte != QUOTE:
                    return unexpected(at, end), node
                if depth == 1:
                    member_start = at
                if kind == STRUCT:
                    child = signed(names.guesses[guess_node, guess_side])
                    if is_expected(payload, at + 1, end, names, child):
                        at += signed(names.sizes[child]) + 1
                    else:
                        at, child = find_field(payload, at + 1, end, names, nodes, node, scratch, cursor[0])
                        if at < 0:
                            return at, node
                    if child >= 0:
                        names.guesses[guess_node, guess_side] = child
                        guess_node, guess_side = child, 1
                        if room.counts[child] != number:
                            return fault(DUPLICATE_FIELD, at), child
                    at += 1
                else:
                    entry = next_entry(room, child)
                    if entry < 0:
                        return fault(NO_ROOM, child), child
                    at = take_text(room, entry, payload, at, end, scratch, cursor)
                    if at < 0:
                        return at, child
                    child = signed(nodes.ends[child])
                if at + 1 < end and payload[np.uint64(at)] == COLON and payload[np.uint64(at + 1)] > SPACE:
                    at += 1
                else:
                    at = skip_colon(payload, at, end)
                    if at < 0:
                        return at, node
                byte = payload[np.uint64(at)]
            members += 1
            if child < 0:
                if unknown == FAIL:
                    return fault(UNKNOWN_FIELD, at), node
                at = skip_value(payload, at, end, depth, closings)
                has_unknown = True
                members -= 1
                if at < 0:
                    return at, node
            elif byte == NULL:
                at = skip_literal(payload, at, end)
                if at < 0:
                    return at, child
                full = put_null(room, nodes, child)
                if full < 0:
                    return fault(NO_ROOM, ~full), child
            else:
                entry = next_entry(room, child)
                if entry < 0:
                    return fault(NO_ROOM, child), child
                child_kind = nodes.kinds[child]
                if child_kind > MAP:
                    at = take_scalar(room, nodes, child, entry, payload, at, end, scratch, cursor)
                    if at < 0:
                        return at, child
                else:
                    if byte != (OPEN_LIST if child_kind == LIST else OPEN_OBJECT):
                        return wrong_for_parts(payload, at, end), child
                    stack[depth, 0], stack[depth, 1] = node, place
                    stack[depth, 2], stack[depth, 3] = members, guess_node
                    depth += 1
                    node, kind, members, place = child, signed(child_kind), 0, entry
                    number = place - room.starts[node]
                    guess_node, guess_side = node, 0
                    is_first = True
                    at += 1
                    continue
        while True:
            if not is_closing:
                if depth == 1 and has_unknown:
                    has_unknown = False
                    if unknown == REST:
                        add_member(payload, member_start, at, scratch, cursor, rest_start)
                at = skip_few_blanks(payload, at, end)
                if at >= end:
                    return fault(CUT, end), node
                byte = payload[np.uint64(at)]
                if byte == COMMA:
                    at += 1
                    is_first = False
                    break
                if byte != (CLOSE_LIST if kind == LIST else CLOSE_OBJECT):
                    return unexpected(at, end), node
            is_closing = False
            at += 1
            if depth == 1 and unknown == REST:
                entry = next_entry(room, rest_node)
                if entry < 0:
                    return fault(NO_ROOM, rest_node), node
                close_rest(room, entry, scratch, cursor, rest_start)
                members += 1
            if kind != STRUCT:
                room.firsts[place] = members
                if kind == MAP and members > 1:
                    begin = room.starts[node + 1] + room.counts[node + 1] - members
                    if has_twice(payload, scratch, room.firsts, room.seconds, begin, members):
                        return fault(DUPLICATE_KEY, at - 1), node
            elif members < names.counts[node]:
                full = fill_missing(room, nodes, node, number)
                if full < 0:
                    return full, node
            depth -= 1
            if depth == 0:
                return at, 0
            node, place = stack[depth, 0], stack[depth, 1]
            members = stack[depth, 2]
            kind = signed(nodes.kinds[node])
            number = place - room.starts[node]
            guess_node, guess_side = stack[depth, 3], 1


@lean_kernel
def read_objects(
    payload: PayloadOfKernel,
    row: int,
    nodes: NodesOfKernel,
    names: NamesOfKernel,
    room: RoomOfKernel,
    verdicts: VerdictsOfKernel,
    unknown: int,
    stack: Stack,
    closings: Bytes,
    scratch: Bytes,
    cursor: Int64s,
) -> tuple[int, int]:
    """Read values from a row on into the room, those that are null or bad as null.

    names     Names         in/out  its guesses change
    verdicts  Verdicts      out     of those that are bad
    unknown   int64         in      REST, DROP or FAIL
    stack     int64[65, 4]  out     for its own use
    closings  uint8[64]     out     for its own use
    scratch   uint8[2s]     out     texts without escapes in its first half, members in the second; s is the
                                    sum of the values' bytes
    cursor    int64[2]      in/out  where in scratch each of these goes on

    Returns (row count, -1), or where the room is full (the row that did not fit, the full node).
    """
    while row < payload.present.shape[0]:
        begin_value(room)
        start, end = signed(payload.offsets[row]), signed(payload.offsets[row + 1])
        at = 0
        node = 0
        if payload.present[row]:
            texts_end, rest_end = cursor[0], cursor[1]
            at = find_object(payload.data, start, end, closings)
            if at >= 0:
                at, node = read_object(
                    payload.data, at, end, nodes, names, room, unknown, stack, closings, scratch, cursor
                )
            if at >= 0:
                at = skip_blanks(payload.data, at, end)
                if at < end:
                    at = fault(TRAILING, at)
            if at < 0:
                take_back(room)
                cursor[0], cursor[1] = texts_end, rest_end
                if code_of(at) == NO_ROOM:
                    return row, place_of(at)
        if at < 0 or not payload.present[row]:
            full = put_null(room, nodes, 0)
            if full < 0:
                take_back(room)
                return row, ~full
        if at < 0:
            verdicts.codes[row] = code_of(at)
            verdicts.nodes[row] = node
            verdicts.places[row] = place_of(at) - start
        row += 1
    return row, -1
