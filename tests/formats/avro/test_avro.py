"""Values of random schemas become the columns that a walk along what fastavro reads says."""

from typing import Any

import pyarrow as pa
from hypothesis import given

from loader.formats.avro.spec import AvroSpec
from loader.formats.protocol import NoSchemas

from .decoding import registered
from .plain_avro import Beyond, Columns, comparable, encode, framed, held_by, parsed, read
from .schemas import schemas_with_values


@given(schemas_with_values())
def test_values_are_read_as_by_fastavro(drawn: tuple[Any, list[Any]]) -> None:
    schema, data = drawn
    plain = parsed(schema)
    encoded = [encode(plain, datum) for datum in data]
    expected, bad = [], []
    for number, octets in enumerate(encoded):
        try:
            expected.append(comparable(Columns(schema).held(read(plain, octets)[0])))
        except Beyond:
            bad.append(number)
            expected.append(None)
    spec = AvroSpec((registered(7, schema),))

    decoded = spec.decoder(NoSchemas()).decode(pa.array([framed(7, each) for each in encoded], pa.binary()))

    assert decoded.column.type == spec.column_type
    assert held_by(decoded.column) == expected
    assert decoded.bad.rows.tolist() == bad
    assert set(decoded.bad.error_classes.to_pylist()) <= {"out-of-range"}
