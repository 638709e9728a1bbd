"""What a program is made of: instructions that read one schema's values into the nodes of one type.

An instruction is four int64: operation, node, and two operands, a and b. Schemas hold no recursion and
records no marks, so a program is a line: a record is an entry of its node and then its fields, in the
writer's order. A field that the writer lacks is a null or a constant behind them.
"""

from collections.abc import Iterable
from typing import Annotated

import numpy as np
from numba import types
from numpy.typing import NDArray

END = 0
"""The value is whole; no byte may be left."""
JUMP = 1
"""Go on at a."""
NULLABLE = 2
"""Read the number of a branch of two: a is null, which puts a null and goes on at b; the other follows."""
UNION = 3
"""Read the number of a branch of a; as many instructions follow whose a is where each branch goes on."""
NULLS = 4
"""A null."""
NEXT = 5
"""Begin the next element of the innermost list or map; behind the last go on at a. b is 1 where elements
have no bytes."""

# All those below put an entry into their node.
INT = 6
"""A number of 32 bits; those up to LAST_NUMBER are written as numbers."""
LONG = 7
TIMES = 8
"""A long, at most b away from 0, times a."""
TIME = 9
"""An int or long below b times a: a time of the day."""
NANOS = 10
"""A long by 1000, rounded down."""
WHOLE = 11
"""A long as a double, at most a away from 0."""
ENUM = 12
"""The number of a symbol of a; as many instructions follow whose a and b are the entry of each."""
LAST_NUMBER = ENUM
TEXT = 13
"""a bytes, or where it is -1 as many as are said first; they are UTF-8 where b is 1."""
DECIMAL = 14
"""Big-endian, its bytes as of TEXT."""
DOUBLE = 15
"""a bytes, which are 8; of FLOAT 4, and of BOOLEAN 1."""
FLOAT = 16
BOOLEAN = 17
LAST_OF_BYTES = BOOLEAN
CONSTANT = 18
"""The entry is (a, b): a number, a text of the pool, a struct or a list whose elements follow."""
ELEMENTS = 19
"""Begin a list or map."""
FIRST_ENTRY = INT

Instruction = tuple[int, int, int, int]
Code = Annotated[NDArray[np.int64], types.int64[:, ::1]]


def code_of(instructions: Iterable[Instruction]) -> NDArray[np.int64]:
    """A program as kernels take it."""
    return np.array(list(instructions), np.int64).reshape(-1, 4)


def moved(instructions: Iterable[Instruction], begin: int) -> list[Instruction]:
    """A program with its jumps, for where `begin` instructions of others stand before it."""
    by_a, by_b = (JUMP, NEXT), (NULLABLE,)
    return [
        (operation, node, a + begin * (operation in by_a), b + begin * (operation in by_b))
        for operation, node, a, b in instructions
    ]


class Pool:
    """Texts that values do not hold: symbols of enums, and defaults. They stand in scratch."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._places: dict[bytes, int] = {}

    def entry(self, text: bytes) -> tuple[int, int]:
        """What an entry of a text is in the room."""
        if text not in self._places:
            self._places[text] = len(self._data)
            self._data += text
        return ~self._places[text], len(text)

    def data(self) -> bytes:
        """All texts."""
        return bytes(self._data)
