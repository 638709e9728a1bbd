"""Values of random schemas become the columns that a walk along what fastavro reads says."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given

from loader.formats.avro.spec import AvroSpec
from loader.formats.protocol import NoSchemas

from .decoding import decoder_of, registered
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


@pytest.mark.parametrize(
    "values", [[], [None, None], [b"?", framed(1, b"\x02a"), None, framed(1, b"\x02b")]], ids=len
)
def test_a_part_of_a_column_is_read_as_such(values: list[bytes | None]) -> None:
    decoder = decoder_of({"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]})

    decoded = decoder.decode(pa.array(values, pa.binary()).slice(1))

    assert held_by(decoded.column) == [each and {"a": each[-1:].decode()} for each in values[1:]]
    assert len(decoded.bad) == 0
