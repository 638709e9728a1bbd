"""The kernels that read Avro: one interpreter, which runs the program of each value's schema."""

from typing import Annotated

import numpy as np
from numba import types
from numpy.typing import NDArray

from loader.formats.avro.instructions import (
    BOOLEAN,
    CONSTANT,
    DECIMAL,
    DOUBLE,
    ELEMENTS,
    END,
    ENUM,
    FLOAT,
    INT,
    JUMP,
    NANOS,
    NEXT,
    NULLABLE,
    NULLS,
    TEXT,
    TIME,
    TIMES,
    UNION,
    WHOLE,
    Code,
)
from loader.formats.avro.parts import read_block, read_decimal, read_little, read_number, read_size
from loader.formats.avro.problems import (
    BAD_BOOLEAN,
    BAD_BRANCH,
    BAD_SYMBOL,
    BEYOND_DAY,
    BEYOND_DECIMAL,
    BEYOND_INT,
    BEYOND_REAL,
    BEYOND_TIME,
    BYTES_LEFT,
    MOST_EMPTY_ELEMENTS,
    NO_SCHEMA_ID,
    NOT_UTF_8,
    TOO_MANY_EMPTY,
    TRUNCATED,
)
from loader.formats.filling import GOOD, PayloadOfKernel, VerdictsOfKernel
from loader.formats.nodes import NodesOfKernel
from loader.formats.room import RoomOfKernel, begin_value, next_entry, put_null, take_back
from loader.formats.utf8 import first_no_utf8
from loader.records.kernel import Int32s, Int64s, ReadOnlyBytes, kernel

FULL = -1
"""No verdict: the stretch of the node that is told has no room for an entry."""

ID_BYTES = 5

Frames = Annotated[NDArray[np.int64], types.int64[:, ::1]]


@kernel
def read_ids(payload: PayloadOfKernel, ids: Int32s, verdicts: VerdictsOfKernel) -> None:
    """Read the schema id that each value begins with.

    payload   r values   in
    ids       int32[r]   out  -1 where a value is null or has none; then it has a verdict
    verdicts  int32[r]s  out
    """
    for row in range(ids.shape[0]):
        ids[row] = -1
        if payload.present[row] == 0:
            continue
        start = payload.offsets[row]
        if payload.offsets[row + 1] - start < ID_BYTES or payload.data[start] != 0:
            verdicts.codes[row] = NO_SCHEMA_ID
            continue
        number = 0
        for i in range(start + 1, start + ID_BYTES):
            number = number << 8 | payload.data[i]
        if number > 0x7FFFFFFF:
            verdicts.codes[row] = NO_SCHEMA_ID
        else:
            ids[row] = number


@kernel
def read_values(
    payload: PayloadOfKernel,
    first_row: int,
    id_bytes: int,
    begins: Int64s,
    code: Code,
    frames: Frames,
    nodes: NodesOfKernel,
    room: RoomOfKernel,
    verdicts: VerdictsOfKernel,
) -> tuple[int, int]:
    """Read values into the room, row by row.

    payload    r values     in
    first_row  int64        in      where to begin
    id_bytes   int64        in      how many bytes stand before each value
    begins     int64[r]     in      where in code each one's program begins; -1 to put a null
    code       int64[k, 4]  in      programs, whose jumps count from the first of them all
    frames     int64[d, 2]  out     working memory: d lists or maps lie within each other at most
    nodes      n nodes      in
    room       n stretches  in/out
    verdicts   int32[r]s    out     written where a value is bad, which is put as null

    Returns (r, -1), or (the row that did not fit, the node that is full), with nothing of the row put.
    """
    row_count = begins.shape[0]
    for row in range(first_row, row_count):
        begin_value(room)
        if payload.present[row] != 0 and begins[row] >= 0:
            start = payload.offsets[row]
            problem, node, at = read_value(
                payload.data,
                start + id_bytes,
                payload.offsets[row + 1],
                code,
                begins[row],
                frames,
                nodes,
                room,
            )
            if problem == GOOD:
                continue
            take_back(room)
            if problem == FULL:
                return row, node
            verdicts.codes[row] = problem
            verdicts.nodes[row] = node
            verdicts.places[row] = at - start
        place = put_null(room, nodes, 0)
        if place < 0:
            take_back(room)
            return row, ~place
    return row_count, -1


@kernel
def read_value(
    data: ReadOnlyBytes,
    start: int,
    end: int,
    code: Code,
    begin: int,
    frames: Frames,
    nodes: NodesOfKernel,
    room: RoomOfKernel,
) -> tuple[int, int, int]:
    """Run one program: see `read_values`.

    data   uint8[n]  in  the bytes
    start  int64     in  where the value starts
    end    int64     in  where it ends
    begin  int64     in  where in code its program begins

    Returns (GOOD, 0, end); (a problem, its node, its place in data); or (FULL, the node, 0).
    """
    at = start
    pc = begin
    depth = -1
    empty_count = 0
    while True:
        here = np.uint64(pc)
        operation = code[here, 0]
        node = code[here, 1]
        a = code[here, 2]
        b = code[here, 3]
        pc += 1
        began = at
        if operation < CONSTANT:
            if operation == NULLABLE or operation == UNION:  # noqa: SIM109 a switch, not a tuple
                branch, at = read_number(data, at, end)
                if at < 0:
                    return ~at, node, began
                branch_count = 2 if operation == NULLABLE else a
                if branch < 0 or branch >= branch_count:
                    return BAD_BRANCH, node, began
                if operation == UNION:
                    pc = code[np.uint64(pc + branch), 2]
                    continue
                if branch != a:
                    continue
                pc = b
                place = put_null(room, nodes, node)
                if place < 0:
                    return FULL, ~place, 0
            elif operation == NULLS:
                place = put_null(room, nodes, node)
                if place < 0:
                    return FULL, ~place, 0
            elif operation == NEXT:
                if frames[depth, 1] == 0:
                    count, at = read_block(data, at, end)
                    if at < 0:
                        return ~at, node, began
                    if count == 0:
                        depth -= 1
                        pc = a
                        continue
                    if b != 0:
                        if count > MOST_EMPTY_ELEMENTS - empty_count:
                            return TOO_MANY_EMPTY, node, began
                        empty_count += count
                    elif count > end - at:
                        return TRUNCATED, node, began
                    frames[depth, 1] = count
                    room.firsts[frames[depth, 0]] += count
                frames[depth, 1] -= 1
            elif operation == JUMP:
                pc = a
            elif operation == END:
                if at != end:
                    return BYTES_LEFT, 0, at
                return GOOD, 0, at
            continue

        signed_entry = next_entry(room, node)
        if signed_entry < 0:
            return FULL, node, 0
        entry = np.uint64(signed_entry)
        if operation == TEXT:
            size = a
            if a < 0:
                size, at = read_size(data, at, end)
                if at < 0:
                    return ~at, node, began
            elif a > end - at:
                return TRUNCATED, node, began
            if b != 0:
                wrong = first_no_utf8(data, at, size)
                if wrong >= 0:
                    return NOT_UTF_8, node, wrong
            room.firsts[entry] = at
            room.seconds[entry] = size
            at += size
        elif operation == DOUBLE:
            if end - at < 8:
                return TRUNCATED, node, began
            room.firsts[entry] = read_little(data, at, 8)
            at += 8
        elif operation == FLOAT:
            if end - at < 4:
                return TRUNCATED, node, began
            room.reals[entry] = np.uint32(read_little(data, at, 4)).view(np.float32)
            at += 4
        elif operation == CONSTANT:
            room.firsts[entry] = a
            room.seconds[entry] = b
        elif operation == ELEMENTS:
            room.firsts[entry] = 0
            depth += 1
            frames[depth, 0] = signed_entry
            frames[depth, 1] = 0
        elif operation == BOOLEAN:
            if at >= end:
                return TRUNCATED, node, began
            byte = data[np.uint64(at)]
            at += 1
            if byte > 1:
                return BAD_BOOLEAN, node, began
            room.firsts[entry] = byte
        elif operation == DECIMAL:
            size = a
            if a < 0:
                size, at = read_size(data, at, end)
                if at < 0:
                    return ~at, node, began
            elif a > end - at:
                return TRUNCATED, node, began
            low, high, is_within = read_decimal(data, at, size, nodes.precisions[node])
            if is_within == 0:
                return BEYOND_DECIMAL, node, began
            room.firsts[entry] = low
            room.seconds[entry] = high
            at += size
        else:
            number, at = read_number(data, at, end)
            if at < 0:
                return ~at, node, began
            if operation == INT:
                if number != np.int32(number):
                    return BEYOND_INT, node, began
            elif operation == TIMES:
                if number > b or number < -b:
                    return BEYOND_TIME, node, began
                number *= a
            elif operation == TIME:
                if number < 0 or number >= b:
                    return BEYOND_DAY, node, began
                number *= a
            elif operation == NANOS:
                number = number // 1000
            elif operation == WHOLE:
                if number > a or number < -a:
                    return BEYOND_REAL, node, began
                room.reals[entry] = np.float64(number)
                continue
            elif operation == ENUM:
                if number < 0 or number >= a:
                    return BAD_SYMBOL, node, began
                symbol = np.uint64(pc + number)
                pc += a
                room.seconds[entry] = code[symbol, 3]
                number = code[symbol, 2]
            room.firsts[entry] = number
