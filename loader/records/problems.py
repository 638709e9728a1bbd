"""What can be wrong with a batch, as a kernel says it and as a person reads it.

A kernel raises nothing: it returns one of these codes and where it stood. The codes become text here,
and the decoder adds topic, partition, offset and broker.
"""

OK = 0
BAD_BATCH_LENGTH = 1
OLD_FORMAT = 2
UNKNOWN_FORMAT = 3
BATCH_OUT_OF_ORDER = 4
BAD_BATCH_OFFSET = 5
BAD_RECORD_LENGTH = 6
BAD_RECORD_FIELD = 7
BAD_RECORD_OFFSET = 8
BAD_HEADERS = 9
BYTES_LEFT = 10

_TEXTS = {
    BAD_BATCH_LENGTH: "the batch's length is too small for a batch",
    UNKNOWN_FORMAT: "the batch's magic byte names no known message format",
    BATCH_OUT_OF_ORDER: "the batch does not start behind the end of the one before",
    BAD_BATCH_OFFSET: "the batch's base offset or last offset delta is negative or too large",
    BAD_RECORD_LENGTH: "a record's length does not fit into its batch",
    BAD_RECORD_FIELD: "a field of a record does not fit into the record",
    BAD_RECORD_OFFSET: "a record's offset is not above the one before, or not within its batch",
    BAD_HEADERS: "the headers of a record do not fit into the record",
    BYTES_LEFT: "bytes are left behind the last record of the batch",
}


class MalformedBatch(Exception):
    """A batch that breaks the protocol. Stays inside this room: the decoder turns it into CorruptBatch."""

    def __init__(self, problem: str, offset: int = -1) -> None:
        super().__init__(problem)
        self.problem, self.offset = problem, offset

    @classmethod
    def of(cls, code: int, offset: int = -1) -> "MalformedBatch":
        """The error for what a kernel returned."""
        return cls(_TEXTS[code], offset)
