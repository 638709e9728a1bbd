"""What can be wrong with a value, by the codes that kernels give."""

from loader.formats.filling import Problem

NO_SCHEMA_ID = 1
UNKNOWN_SCHEMA_ID = 2
TRUNCATED = 3
BYTES_LEFT = 4
BAD_VARINT = 5
BAD_LENGTH = 6
BAD_BOOLEAN = 7
BAD_BRANCH = 8
BAD_SYMBOL = 9
NOT_UTF_8 = 10
BEYOND_INT = 11
BEYOND_TIME = 12
BEYOND_DAY = 13
BEYOND_REAL = 14
BEYOND_DECIMAL = 15
TOO_MANY_EMPTY = 16

MOST_EMPTY_ELEMENTS = 100
"""Of one value, in lists whose elements take no bytes: else a few bytes could ask for any amount of room."""

PROBLEMS = {
    NO_SCHEMA_ID: Problem("no-schema-id", "does not begin with a zero byte and a schema id"),
    UNKNOWN_SCHEMA_ID: Problem("unknown-schema-id", "the registry has no Avro schema of its id"),
    TRUNCATED: Problem("truncated", "the value ends within it"),
    BYTES_LEFT: Problem("bytes-left", "there are bytes behind the value"),
    BAD_VARINT: Problem("bad-number", "a number longer than 64 bits"),
    BAD_LENGTH: Problem("bad-length", "a length below 0, or beyond the value"),
    BAD_BOOLEAN: Problem("bad-boolean", "a boolean that is neither 0 nor 1"),
    BAD_BRANCH: Problem("bad-index", "its union has no branch of this number"),
    BAD_SYMBOL: Problem("bad-index", "its enum has no symbol of this number"),
    NOT_UTF_8: Problem("not-utf-8", "no UTF-8"),
    BEYOND_INT: Problem("out-of-range", "beyond an int of 32 bits"),
    BEYOND_TIME: Problem("out-of-range", "beyond what microseconds in 64 bits reach"),
    BEYOND_DAY: Problem("out-of-range", "no time of a day"),
    BEYOND_REAL: Problem("not-exact", "a whole number that the column's float or double has not exactly"),
    BEYOND_DECIMAL: Problem("out-of-range", "more digits than its decimal has"),
    TOO_MANY_EMPTY: Problem(
        "too-many-elements", f"more than {MOST_EMPTY_ELEMENTS} elements that take no bytes"
    ),
}
