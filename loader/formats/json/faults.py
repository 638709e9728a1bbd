"""What can be wrong with a JSON text, as kernels say it and as a person reads it.

A kernel that reads something returns where the next thing stands; where it cannot, a fault: a number below
0, of what is wrong and at which byte of the payload. So one comparison tells, and reads can be chained.
"""

from loader.formats.filling import Problem
from loader.records.kernel import lean_kernel

(
    EMPTY,
    UNEXPECTED,
    CUT,
    TRAILING,
    CONTROL,
    BAD_ESCAPE,
    NOT_UTF_8,
    LONE_SURROGATE,
    NOT_AN_OBJECT,
    TOO_DEEP,
    DUPLICATE_FIELD,
    DUPLICATE_KEY,
    UNKNOWN_FIELD,
    IS_TEXT,
    IS_NUMBER,
    IS_BOOLEAN,
    IS_LIST,
    IS_OBJECT,
    OUT_OF_RANGE,
    NOT_EXACT,
    BAD_TEXT,
    NO_ZONE,
    HAS_ZONE,
    NO_ROOM,
) = range(1, 25)

MAX_DEPTH = 64
"""Of objects and lists within each other; the record's own object is the first."""

PROBLEMS = {
    EMPTY: Problem("not-json", "there is no JSON in it"),
    UNEXPECTED: Problem("not-json", "no JSON continues like this"),
    CUT: Problem("not-json", "ends before its JSON does"),
    TRAILING: Problem("not-json", "something stands behind the object"),
    CONTROL: Problem("not-json", "a control character stands in a text as it is"),
    BAD_ESCAPE: Problem("not-json", "a backslash in a text stands before what it cannot escape"),
    NOT_UTF_8: Problem("not-utf-8", "no UTF-8 continues like this"),
    LONE_SURROGATE: Problem("lone-surrogate", "half of a surrogate pair is escaped, which no text can hold"),
    NOT_AN_OBJECT: Problem("not-an-object", "is JSON, but no object"),
    TOO_DEEP: Problem("too-deep", f"objects and lists lie more than {MAX_DEPTH} deep"),
    DUPLICATE_FIELD: Problem("duplicate-field", "stands there twice"),
    DUPLICATE_KEY: Problem("duplicate-field", "a key stands there twice"),
    UNKNOWN_FIELD: Problem("unknown-field", "has a field that the columns do not name"),
    IS_TEXT: Problem("wrong-type", "is a text, not {type}"),
    IS_NUMBER: Problem("wrong-type", "is a number, not {type}"),
    IS_BOOLEAN: Problem("wrong-type", "is a boolean, not {type}"),
    IS_LIST: Problem("wrong-type", "is a list, not {type}"),
    IS_OBJECT: Problem("wrong-type", "is an object, not {type}"),
    OUT_OF_RANGE: Problem("out-of-range", "is beyond the range of {type}"),
    NOT_EXACT: Problem("not-exact", "has more digits behind the point than {type} can hold"),
    BAD_TEXT: Problem("bad-text", "is a text that does not spell {type}"),
    NO_ZONE: Problem("bad-text", "is a time without a zone, so it is no moment"),
    HAS_ZONE: Problem("bad-text", "is a time with a zone, which {type} cannot hold"),
}
"""By code; a message says it behind the path of the field. NO_ROOM is none of them: the room grows."""


@lean_kernel
def fault(code: int, place: int) -> int:
    """What is wrong, and at which byte of the payload; for NO_ROOM, which node is full."""
    return -((code << 32) | place)


@lean_kernel
def code_of(found: int) -> int:
    """What is wrong, of a fault."""
    return -found >> 32


@lean_kernel
def place_of(found: int) -> int:
    """At which byte, of a fault."""
    return -found & 0xFFFFFFFF


@lean_kernel
def unexpected(at: int, end: int) -> int:
    """The fault of a byte that cannot stand there, or of none where one must."""
    return -((CUT << 32) | end) if at >= end else -((UNEXPECTED << 32) | at)
