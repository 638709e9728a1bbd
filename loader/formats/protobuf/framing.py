"""Confluent's frame around a message: a zero, the id of its schema, and which message of it this is."""

from typing import Annotated, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from loader.formats.filling import PayloadOfKernel, VerdictsOfKernel
from loader.formats.protobuf import problems
from loader.formats.protobuf.wire import read_varint
from loader.records.kernel import Int32s, Int64s, lean_kernel, part

HEAD_BYTES = 5
"""The zero and the id."""

NOT_READ = -1


class Schemas(NamedTuple):
    """What is known of the ids of schemas; s of them, with t messages in all.

    ids         int32[s]  rising
    faults      int32[s]  why values of the id are bad, 0 where they are not
    firsts      int32[s]  where its messages begin in the arrays below
    top_counts  int32[s]  how many of them lie in no other
    inner       int32[t]  where the messages within each begin
    counts      int32[t]  how many there are
    outcomes    int32[t]  the row of `Tables.roots` by which it is read, or what is wrong with it, negative
    """

    ids: NDArray[np.int32]
    faults: NDArray[np.int32]
    firsts: NDArray[np.int32]
    top_counts: NDArray[np.int32]
    inner: NDArray[np.int32]
    counts: NDArray[np.int32]
    outcomes: NDArray[np.int32]


SchemasOfKernel = Annotated[Schemas, types.NamedUniTuple(types.int32[::1], 7, Schemas)]


@lean_kernel
def open_frames(
    payload: PayloadOfKernel,
    schemas: SchemasOfKernel,
    verdicts: VerdictsOfKernel,
    ids: Int32s,
    roots: Int32s,
    bodies: Int32s,
    unknown: Int64s,
    is_final: int,
) -> int:
    """Find out by what each value is read, and where its message starts.

    verdicts           in/out  of frames that are bad
    ids      int32[r]  out     of schemas, -1 for none
    roots    int32[r]  out     the row of `Tables.roots`; NOT_READ where the value is null or bad
    bodies   int32[r]  out     where the message starts in the payload
    unknown  int64[1]  out     the first id that is not known, where there is one
    is_final           in      1 where nobody can be asked: then what is not known is bad

    Returns the row count, or the row of the id that is not known.
    """
    slot: int = -1
    for row in range(payload.present.shape[0]):
        roots[row] = NOT_READ
        ids[row] = -1
        bodies[row] = 0
        if payload.present[row] == 0:
            continue
        start = payload.offsets[row]
        end = payload.offsets[row + 1]
        if end - start < HEAD_BYTES or payload.data[start] != 0 or payload.data[start + 1] >= 0x80:
            verdicts.codes[row] = problems.NO_SCHEMA_ID
            continue
        schema_id = 0
        for i in range(1, HEAD_BYTES):
            schema_id = schema_id << 8 | payload.data[start + i]
        ids[row] = schema_id
        if slot < 0 or schemas.ids[slot] != schema_id:
            slot = _find_id(schemas.ids, schema_id)
            if slot < 0 and is_final:
                verdicts.codes[row] = problems.UNKNOWN_SCHEMA_ID
                continue
            if slot < 0:
                unknown[0] = schema_id
                return row
        if schemas.faults[slot] != 0:
            verdicts.codes[row] = schemas.faults[slot]
            continue
        at = start + HEAD_BYTES
        outcome = -problems.BAD_INDEXES
        if at < end and payload.data[at] == 0:
            at += 1
            outcome = -problems.NO_SUCH_MESSAGE
            if schemas.top_counts[slot] > 0:
                outcome = schemas.outcomes[schemas.firsts[slot]]
        else:
            outcome, at = _walk(payload, at, end, schemas, slot)
        if outcome < 0:
            verdicts.codes[row] = -outcome
            verdicts.places[row] = HEAD_BYTES
        else:
            roots[row] = outcome
            bodies[row] = at
    return len(payload.present)


@part
def _find_id(ids: Int32s, wanted: int) -> int:
    lowest, highest = 0, len(ids)
    while lowest < highest:
        middle = (lowest + highest) >> 1
        if ids[middle] == wanted:
            return middle
        if ids[middle] < wanted:
            lowest = middle + 1
        else:
            highest = middle
    return -1


@lean_kernel
def _walk(
    payload: PayloadOfKernel, at: int, end: int, schemas: SchemasOfKernel, slot: int
) -> tuple[int, int]:
    """Follow indexes to a message. Returns (its outcome, where it starts)."""
    count, at = read_varint(payload.data, at, end)
    if at < 0:
        return -problems.BAD_INDEXES, 0
    count = ((count >> 1) & 0x7FFFFFFFFFFFFFFF) ^ -(count & 1)
    if count <= 0 or count > end - at:
        return -problems.BAD_INDEXES, 0
    first, within = schemas.firsts[slot], schemas.top_counts[slot]
    outcome = -problems.NO_SUCH_MESSAGE
    for _ in range(count):
        index, at = read_varint(payload.data, at, end)
        if at < 0:
            return -problems.BAD_INDEXES, 0
        index = ((index >> 1) & 0x7FFFFFFFFFFFFFFF) ^ -(index & 1)
        if index < 0 or index >= within:
            return -problems.NO_SUCH_MESSAGE, 0
        place = first + index
        outcome = schemas.outcomes[place]
        first, within = schemas.inner[place], schemas.counts[place]
    return outcome, at
