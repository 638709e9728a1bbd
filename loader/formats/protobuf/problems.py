"""What can be wrong with a value: numbers for kernels, words for people."""

from collections.abc import Mapping

from loader.formats.filling import Problem

TRUNCATED, LONG_VARINT, BAD_TAG, WRONG_GROUP_END, OPEN_GROUP, LONG_FIELD = range(1, 7)
NOT_UTF_8, MISSING_REQUIRED, OUT_OF_RANGE, TOO_DEEP, TOO_LARGE = range(7, 12)
NO_SCHEMA_ID, BAD_INDEXES, NO_SUCH_MESSAGE, UNKNOWN_SCHEMA_ID, OTHER_SCHEMA_TYPE = range(12, 17)
OTHER_MESSAGE = 32
"""And upwards: one for each message that a schema names and the columns are not of."""

_NOT_PROTOBUF = "not-protobuf"

PROBLEMS: Mapping[int, Problem] = {
    TRUNCATED: Problem(_NOT_PROTOBUF, "ends within a field"),
    LONG_VARINT: Problem(_NOT_PROTOBUF, "a varint is longer than the 10 bytes it may have"),
    BAD_TAG: Problem(_NOT_PROTOBUF, "no field has this number and type of the wire"),
    WRONG_GROUP_END: Problem(_NOT_PROTOBUF, "a group ends that did not begin"),
    OPEN_GROUP: Problem(_NOT_PROTOBUF, "a group begins that does not end"),
    LONG_FIELD: Problem(_NOT_PROTOBUF, "is longer than what it lies in"),
    NOT_UTF_8: Problem("not-utf-8", "is no UTF-8"),
    MISSING_REQUIRED: Problem("missing-required", "is required and missing"),
    OUT_OF_RANGE: Problem("out-of-range", "is outside of what its type may hold"),
    TOO_DEEP: Problem("too-deep", "groups lie more than 100 deep"),
    TOO_LARGE: Problem("too-large", "its lists and maps become more than memory is kept for"),
    NO_SCHEMA_ID: Problem("no-schema-id", "does not begin with 0 and the id of a schema"),
    BAD_INDEXES: Problem("no-schema-id", "the indexes of its message are cut off"),
    NO_SUCH_MESSAGE: Problem("other-message", "its schema has no message of these indexes"),
    UNKNOWN_SCHEMA_ID: Problem("unknown-schema-id", "the registry has no schema of its id"),
    OTHER_SCHEMA_TYPE: Problem("unknown-schema-id", "the schema of its id is none of Protobuf"),
}
