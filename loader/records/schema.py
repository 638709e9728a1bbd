"""The columns of a raw row: exactly those of Spark's Kafka source with `includeHeaders`.

Spark writes a record without headers as null, not as an empty list, and so does this loader; a record
without a timestamp (-1) is null here, where Spark says 1969-12-31T23:59:59.999.
"""

import pyarrow as pa

HEADER_TYPE = pa.struct([pa.field("key", pa.string()), pa.field("value", pa.binary())])

# The element's name is the one Parquet prescribes for lists, and Spark writes.
HEADERS_TYPE = pa.list_(pa.field("element", HEADER_TYPE))

TIMESTAMP_TYPE = pa.timestamp("us", tz="UTC")

RAW_SCHEMA = pa.schema(
    [
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
        pa.field("topic", pa.string()),
        pa.field("partition", pa.int32()),
        pa.field("offset", pa.int64()),
        pa.field("timestamp", TIMESTAMP_TYPE),
        pa.field("timestampType", pa.int32()),
        pa.field("headers", HEADERS_TYPE),
    ]
)
