"""Text is UTF-8 or it is bad, and a bad one is told by its first wrong byte; held to Python's own decoder."""

from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.formats.protocol import NoSchemas
from loader.formats.string import StringSpec

NOT_UTF_8 = [
    b"\xff",
    b"\x80",
    b"\xc0\xaf",  # overlong
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xed\xa0\x80",  # a surrogate
    b"\xf4\x90\x80\x80",  # beyond U+10FFFF
    b"\xe2\x82",  # cut
    b"\xf0\x9f\x98",
    "latin \u00e9".encode("latin-1"),
]
UTF_8 = [
    b"",
    b"plain",
    "žluť €\U0001f600 \0 \ufeff".encode(),
    b"line\nline\r\n\n",
    "\U0010ffff\ud7ff\ue000".encode(),
]


def by_python(value: bytes | None) -> tuple[str | None, str | None]:
    """The text, or what is wrong."""
    try:
        return None if value is None else value.decode(), None
    except UnicodeDecodeError as error:
        return None, f"no UTF-8 from byte {error.start} on"


def assert_as_by_python(values: Sequence[bytes | None], skipped: int = 0) -> None:
    decoder = StringSpec().decoder(NoSchemas())
    expected = [by_python(value) for value in values[skipped:]]

    decoded = decoder.decode(pa.array(values, pa.binary()).slice(skipped))

    decoded.column.validate(full=True)
    bad = [number for number, (_, problem) in enumerate(expected) if problem is not None]
    assert decoded.column.type == decoder.column_type == StringSpec().column_type == pa.string()
    assert decoded.column.to_pylist() == [text for text, _ in expected]
    assert decoded.bad.rows.tolist() == bad
    assert decoded.bad.error_texts.to_pylist() == [expected[number][1] for number in bad]
    assert decoded.bad.error_classes.to_pylist() == ["not-utf-8"] * len(bad)
    assert decoded.bad.schema_ids.to_pylist() == [None] * len(bad)


@pytest.mark.parametrize("value", [*NOT_UTF_8, *UTF_8], ids=repr)
def test_a_value_is_text_where_python_says_so(value: bytes) -> None:
    assert_as_by_python([value])
    assert_as_by_python([b"before", None, b"ab" + value, value + b"\n", value])


@given(
    st.lists(
        st.none() | st.binary(max_size=6) | st.text().map(str.encode) | st.sampled_from(NOT_UTF_8),
        max_size=30,
    ),
    st.integers(0, 3),
)
def test_any_column_is_decoded_as_by_python(values: list[bytes | None], skipped: int) -> None:
    assert_as_by_python(values, skipped)


def test_texts_that_are_all_good_are_not_copied() -> None:
    values = pa.array([b"one", None, "zw€i".encode()], pa.binary())

    column = StringSpec().decoder(NoSchemas()).decode(values).column

    assert column.buffers()[2].address == values.buffers()[2].address
