"""Records that are large, many, nested deeply, or in changing order."""

import json
import random

import pyarrow as pa
import pytest

from loader.formats.json.faults import MAX_DEPTH

from .decoding import decoder_of, kernel_outcomes, plain_outcome, type_of


def test_lists_longer_than_the_room_for_them_are_whole() -> None:
    columns = type_of("x: list<list<long>>, m: map<string, list<string>>")
    values = [
        {"x": [list(range(each)) for each in range(60)], "m": {str(key): ["a\n"] * key for key in range(40)}},
        {"x": [], "m": {}},
        {"x": [[7] * 5000], "m": None},
    ]
    records: list[bytes | None] = [json.dumps(each).encode() for each in values]

    found = kernel_outcomes([*records, None, *records], columns)

    assert found == [plain_outcome(each, columns) for each in [*records, None, *records]]


def test_a_bad_record_takes_back_what_it_had_put_when_it_made_the_room_grow() -> None:
    columns = type_of("x: list<string>, y: long")
    good = b'{"x":["a","\\n"],"y":1,"z":{"more":[1]}}'
    bad = json.dumps({"x": ["\n text"] * 500, "z": 1, "y": "no number"}).encode()
    records: list[bytes | None] = [good, bad, good, bad, good]

    found = kernel_outcomes(records, columns)

    assert [each for each, _ in found] == ["good", "wrong-type", "good", "wrong-type", "good"]
    assert found[0] == found[2] == found[4] == plain_outcome(good, columns)


@pytest.mark.parametrize("count", [2, 16, 17, 1000])
@pytest.mark.parametrize("spelling", ["{}", "\\u006b{}"])
def test_of_many_keys_of_a_map_the_one_that_is_there_twice_is_found(count: int, spelling: str) -> None:
    columns = type_of("x: map<string, long>")
    members = [f'"k{number}":1' for number in range(count)]
    twice = f'"{spelling.format(count // 2) if "u006b" in spelling else f"k{count // 2}"}":2'
    good, bad = (f'{{"x":{{{",".join(each)}}}}}'.encode() for each in (members, [*members, twice]))

    outcomes = kernel_outcomes([good, bad], columns)

    assert [each for each, _ in outcomes] == ["good", "duplicate-field"]


def test_texts_of_megabytes_and_of_every_length_are_whole() -> None:
    columns = type_of("x: string, y: string")
    texts = ["a" * size for size in range(40)] + ["é" * 700_001, "\n" * 100_000, '"' * 33 + "ž" * 33]
    records: list[bytes | None] = [
        json.dumps({"x": text, "y": text[::-1], "z": text}, ensure_ascii=number % 2 == 0).encode()
        for number, text in enumerate(texts)
    ]

    found = kernel_outcomes(records, columns)

    assert [row["x"] for _, row in found] == texts
    assert [row["y"] for _, row in found] == [text[::-1] for text in texts]


def test_fields_may_come_in_any_order_which_may_change_from_record_to_record() -> None:
    names = [f"field_number_{number}" for number in range(30)]
    columns = type_of(", ".join(f"{name}: long" for name in names))
    shuffled = random.Random(1)
    records: list[bytes | None] = []
    for number in range(50):
        if number % 10 == 0:
            shuffled.shuffle(names)
        chosen = names if number % 3 else shuffled.sample(names, 12)
        records.append(json.dumps(dict.fromkeys(["unknown", *chosen], number)).encode())

    assert kernel_outcomes(records, columns) == [plain_outcome(each, columns) for each in records]


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_depth_is_bounded_however_deep_a_record_is(opening: str) -> None:
    columns = type_of("x: long")
    for depth, error_class in ((MAX_DEPTH - 1, "good"), (MAX_DEPTH, "too-deep"), (2_000_000, "too-deep")):
        closing = ("]" if opening == "[" else "}") * depth
        record = ('{"y":' + opening * depth + "1" + closing + "}").encode()

        assert kernel_outcomes([record], columns, "drop")[0][0] == error_class


def test_a_slice_of_a_column_is_read_and_no_byte_beside_it() -> None:
    values = pa.array([b'{"x":"\\n1"}', None, b'{"x":"\\n2","y":1}', b'{"x":"\\n3"}', b"bad"], pa.binary())
    decoder = decoder_of(type_of("x: string"), "rest")

    decoded = decoder.decode(values.slice(1, 3))

    assert decoded.column.to_pylist() == [None, {"x": "\n2", "_rest": '{"y":1}'}, {"x": "\n3", "_rest": None}]
    assert len(decoded.bad) == 0
