"""The kernels that read Avro: one interpreter, which runs the program of each value's schema."""

from typing import Annotated

import numpy as np
from numba import types
from numpy.typing import NDArray

from loader.formats.avro.instructions import (
    CONSTANT,
    DECIMAL,
    DOUBLE,
    FIRST_ENTRY,
    FLOAT,
    INT,
    JUMP,
    LAST_NUMBER,
    LAST_OF_BYTES,
    LONG,
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
from loader.formats.room import RoomOfKernel, begin_value, put_null, take_back
from loader.formats.utf8 import first_no_utf8
from loader.records.kernel import Int32s, Int64s, kernel

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
def put_null_part(room: RoomOfKernel, nodes: NodesOfKernel, node: int) -> tuple[int, int]:
    """Put a null entry of a node. Returns (GOOD, node) or (FULL, the node within it that is full)."""
    place = put_null(room, nodes, node)
    if place < 0:
        return FULL, ~place
    return GOOD, node


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
    data = payload.data
    firsts, reals, seconds, present = room.firsts, room.reals, room.seconds, room.present
    starts, counts = room.starts, room.counts
    row_count = begins.shape[0]
    for row in range(first_row, row_count):
        begin_value(room)
        if payload.present[row] != 0 and begins[row] >= 0:
            start = payload.offsets[row]
            end = payload.offsets[row + 1]
            at = start + id_bytes
            pc = begins[row]
            depth = -1
            empty_count = 0
            # There is one way out of the loop: at each, Numba lets go of every array, which takes as long as
            # reading a field. For that, too, arrays are taken out of their tuples once.
            while True:
                here = np.uint64(pc)
                operation = code[here, 0]
                node = code[here, 1]
                a = code[here, 2]
                b = code[here, 3]
                pc += 1
                began = at
                problem = GOOD
                if operation < FIRST_ENTRY:
                    if operation == NULLABLE:
                        branch, at = read_number(data, at, end)
                        if branch == a and at >= 0:
                            pc = b
                            problem, node = put_null_part(room, nodes, node)
                        elif at < 0:
                            problem = ~at
                        elif branch != 1 - a:
                            problem = BAD_BRANCH
                    elif operation == NULLS:
                        problem, node = put_null_part(room, nodes, node)
                    elif operation == NEXT:
                        if frames[depth, 1] == 0:
                            count, at = read_block(data, at, end)
                            if at < 0:
                                problem = ~at
                            elif count == 0:
                                depth -= 1
                                pc = a
                                continue
                            elif b == 0 and count > end - at:
                                problem = TRUNCATED
                            elif b != 0 and count > MOST_EMPTY_ELEMENTS - empty_count:
                                problem = TOO_MANY_EMPTY
                            else:
                                empty_count += b * count
                                frames[depth, 1] = count
                                firsts[frames[depth, 0]] += count
                        frames[depth, 1] -= 1
                    elif operation == JUMP:
                        pc = a
                    elif operation == UNION:
                        branch, at = read_number(data, at, end)
                        if at < 0:
                            problem = ~at
                        elif branch < 0 or branch >= a:
                            problem = BAD_BRANCH
                        else:
                            pc = code[np.uint64(pc + branch), 2]
                    else:
                        if at != end:
                            problem, node, began = BYTES_LEFT, 0, at
                        break
                    if problem != GOOD:
                        break
                    continue

                entry = starts[np.uint64(node)] + counts[np.uint64(node)]
                if entry >= starts[np.uint64(node + 1)]:
                    problem = FULL
                    break
                counts[np.uint64(node)] += 1
                place = np.uint64(entry)
                present[place] = 1
                if operation <= LAST_NUMBER:
                    number, at = read_number(data, at, end)
                    if at < 0:
                        problem = ~at
                    elif operation == LONG:
                        firsts[place] = number
                    elif operation == INT:
                        firsts[place] = number
                        if number != np.int32(number):
                            problem = BEYOND_INT
                    elif operation == TIMES:
                        firsts[place] = number * a
                        if number > b or number < -b:
                            problem = BEYOND_TIME
                    elif operation == TIME:
                        firsts[place] = number * a
                        if number < 0 or number >= b:
                            problem = BEYOND_DAY
                    elif operation == NANOS:
                        firsts[place] = number // 1000
                    elif operation == WHOLE:
                        reals[place] = np.float64(number)
                        if number > a or number < -a:
                            problem = BEYOND_REAL
                    elif number < 0 or number >= a:  # ENUM
                        problem = BAD_SYMBOL
                    else:
                        symbol = np.uint64(pc + number)
                        firsts[place] = code[symbol, 2]
                        seconds[place] = code[symbol, 3]
                        pc += a
                elif operation <= LAST_OF_BYTES:
                    size = a
                    if a < 0:
                        size, at = read_size(data, at, end)
                    elif a > end - at:
                        at = ~TRUNCATED
                    if at < 0:
                        problem = ~at
                    elif operation == TEXT:
                        firsts[place] = at
                        seconds[place] = size
                        if b != 0:
                            wrong = first_no_utf8(data, at, size)
                            if wrong >= 0:
                                problem, began = NOT_UTF_8, wrong
                    elif operation == DECIMAL:
                        low, high, is_within = read_decimal(data, at, size, nodes.precisions[node])
                        firsts[place] = low
                        seconds[place] = high
                        if is_within == 0:
                            problem = BEYOND_DECIMAL
                    elif operation == DOUBLE:
                        firsts[place] = read_little(data, at, 8)
                    elif operation == FLOAT:
                        reals[place] = np.uint32(read_little(data, at, 4)).view(np.float32)
                    else:  # BOOLEAN
                        byte = data[np.uint64(at)]
                        firsts[place] = byte
                        if byte > 1:
                            problem = BAD_BOOLEAN
                    at += size
                elif operation == CONSTANT:
                    firsts[place] = a
                    seconds[place] = b
                else:  # ELEMENTS
                    firsts[place] = 0
                    depth += 1
                    frames[depth, 0] = entry
                    frames[depth, 1] = 0
                if problem != GOOD:
                    break
            if problem == GOOD:
                continue
            take_back(room)
            if problem == FULL:
                return row, node
            verdicts.codes[row] = problem
            verdicts.nodes[row] = node
            verdicts.places[row] = began - start
        problem, node = put_null_part(room, nodes, 0)
        if problem != GOOD:
            take_back(room)
            return row, node
    return row_count, -1
