"""Doubles are to the last bit what Python makes of the same text, and integers and decimals are exact."""

import math
import struct
from decimal import Decimal, localcontext

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from .decoding import decoder_of, kernel_outcomes, plain_outcome, type_of
from .examples import number_texts

finite = st.floats(allow_nan=False, allow_infinity=False)


def doubles_of(texts: list[str]) -> list[float]:
    record = ('{"x":[' + ",".join(texts) + "]}").encode()
    decoded = decoder_of(type_of("x: list<double>"), "rest").decode(pa.array([record], pa.binary()))
    assert not len(decoded.bad), decoded.bad.error_texts
    doubles: list[float] = decoded.column[0]["x"].as_py()
    return doubles


def bits(numbers: list[float]) -> bytes:
    return struct.pack(f"{len(numbers)}d", *numbers)


@settings(max_examples=200)
@given(st.lists(finite, min_size=1, max_size=50))
def test_the_shortest_text_of_a_double_is_that_double(numbers: list[float]) -> None:
    assert bits(doubles_of([repr(number) for number in numbers])) == bits(numbers)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 10**40), st.integers(-380, 260)), min_size=1, max_size=50))
def test_digits_and_an_exponent_are_the_nearest_double(numbers: list[tuple[int, int]]) -> None:
    texts = [f"{digits}e{power}" for digits, power in numbers]

    assert bits(doubles_of(texts)) == bits([float(text) for text in texts])


@given(finite.filter(lambda number: 0 <= number < 1.7e308), st.sampled_from([0, 1, 30, 500]))
@example(0.0, 1)
@example(2.2250738585072011e-308, 0)
@example(1.0, 900)
def test_the_middle_of_two_doubles_and_what_is_around_it_is_rounded_rightly(lower: float, place: int) -> None:
    with localcontext() as context:
        context.prec = 2000
        middle = (Decimal(lower) + Decimal(math.nextafter(lower, math.inf))) / 2
        tiny = Decimal((0, (1,), (middle.adjusted() - 40 - place)))
        texts = [str(each) for each in (middle, middle + tiny, middle - tiny)]
        texts += [format(middle, "f"), format(middle + tiny, "f")]

    assert bits(doubles_of(texts)) == bits([float(text) for text in texts])


def test_beyond_the_largest_double_is_out_of_range() -> None:
    middle = 2**1024 - 2**970  # from here on, the nearest is infinity
    records = [f'{{"x":{number}}}'.encode() for number in (middle - 1, middle, -middle, f"{middle}.0e0")]

    found = kernel_outcomes(records, type_of("x: double"))

    assert [each[0] for each in found] == ["good", *["out-of-range"] * 3]


@settings(max_examples=300)
@given(st.lists(number_texts, min_size=1, max_size=12))
def test_any_number_is_as_by_python_in_any_column(texts: list[str]) -> None:
    for column_type in (
        "long",
        "int",
        "double",
        "float",
        "decimal(38, 10)",
        "decimal(3, 3)",
        "timestamp(s)",
        "timestamp(us)",
    ):
        columns = type_of(f"x: {column_type}")
        records = [f'{{"x": {text}}}'.encode() for text in texts]

        found = [without_field(each) for each in kernel_outcomes(records, columns)]

        expected = [without_field(plain_outcome(record, columns)) for record in records]
        assert repr(found) == repr(expected)


def without_field(outcome: tuple[str, object]) -> tuple[str, object]:
    """Of what is no JSON, the kernel tells the field in which the text breaks."""
    return (outcome[0], None) if outcome[0] == "not-json" else outcome


@settings(max_examples=50)
@given(st.integers(1 - 10**38, 10**38 - 1), st.integers(0, 38), st.integers(0, 40))
def test_a_decimal_keeps_every_digit(unscaled: int, scale: int, zeros: int) -> None:
    with localcontext() as context:
        context.prec = 100
        number = Decimal(unscaled).scaleb(-scale)
        text = format(number, "f") + ("0" * zeros if scale else "")
    records = [f'{{"x": {each}}}'.encode() for each in (text, f'"{text}"', f"{unscaled}e-{scale}")]

    rows = [row for _, row in kernel_outcomes(records, type_of(f"x: decimal(38, {scale})"))]

    assert [row["x"] for row in rows] == [number] * 3
