"""What fields of messages are: numbers that descriptors, tables and kernels have in common."""

INT32, INT64, UINT32, UINT64, SINT32, SINT64, BOOL, ENUM = range(8)
FIXED32, SFIXED32, FIXED64, SFIXED64, FLOAT, DOUBLE = range(8, 14)
STRING, BYTES, MESSAGE = range(14, 17)
SECONDS, NANOS = 17, 18
"""The two parts of a Timestamp or Duration, which become one entry."""

SINGLE, LIST, MAP = range(3)
"""How many values a field has, and as what they are kept."""

VARINT, FIXED_64, LENGTH, GROUP_START, GROUP_END, FIXED_32 = range(6)
"""The types of the wire. There are no others."""

WIRE_TYPES = {
    **dict.fromkeys((INT32, INT64, UINT32, UINT64, SINT32, SINT64, BOOL, ENUM, SECONDS, NANOS), VARINT),
    **dict.fromkeys((FIXED64, SFIXED64, DOUBLE), FIXED_64),
    **dict.fromkeys((FIXED32, SFIXED32, FLOAT), FIXED_32),
    **dict.fromkeys((STRING, BYTES, MESSAGE), LENGTH),
}
