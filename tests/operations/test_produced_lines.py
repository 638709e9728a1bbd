"""Lines to records: what each part of a line becomes, and what is refused, with its place."""

import io

import pytest

from loader.errors import MalformedInput
from loader.kafka_source.batch_builder import NO_TIMESTAMP_MS, Outgoing
from loader.operations.live import produced_lines
from loader.operations.live.produced_lines import LineFormat, LineOf, json_record, read_lines

HERE = LineOf("input", 7)


def lines(octets: bytes, line_format: LineFormat | None = None) -> list[tuple[bytes | None, bytes | None]]:
    read = read_lines(io.BytesIO(octets), "input", (line_format or LineFormat()).record)
    return [(record.key, record.value) for record in read]


def test_a_line_is_a_value_without_its_end() -> None:
    assert [value for _, value in lines(b"a\n\nb \r\n\xff\xfe\nlast")] == [
        b"a",
        b"",
        b"b ",
        b"\xff\xfe",
        b"last",
    ]
    assert lines(b"") == []


def test_keys_are_of_all_lines_or_before_a_separator() -> None:
    assert lines(b"a\nb\n", LineFormat(key=b"k")) == [(b"k", b"a"), (b"k", b"b")]
    assert lines(b"k=>v=>w\n=>v\nk=>\n", LineFormat(separator=b"=>")) == [
        (b"k", b"v=>w"),
        (b"", b"v"),
        (b"k", b""),
    ]


def test_a_line_without_the_separator_is_told_behind_those_before_it() -> None:
    reading = read_lines(io.BytesIO(b"k:v\nkv\n"), "orders.txt", LineFormat(separator=b":").record)

    assert next(reading).value == b"v"
    with pytest.raises(MalformedInput, match=r"^line 2 of orders.txt: no ':' behind a key$"):
        next(reading)


def test_a_line_without_an_end_is_not_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(produced_lines, "MAX_LINE_BYTES", 10)

    assert lines(b"123456789\n") == [(None, b"123456789")]
    with pytest.raises(MalformedInput, match="line 1 of input is longer than"):
        lines(b"12345678901")


@pytest.mark.parametrize(
    ("line", "record"),
    [
        (b'{"value": "v"}', Outgoing(b"v")),
        (b'{"value": null}', Outgoing(None)),
        (b'{"value": ""}', Outgoing(b"")),
        (b'{"value_base64": "//4="}', Outgoing(b"\xff\xfe")),
        ('{"value": "ž"}'.encode(), Outgoing("ž".encode())),
        (
            b'{"value": {"b": [1, 2.5, null, true], "a": "\\u017e"}}',
            Outgoing('{"b":[1,2.5,null,true],"a":"ž"}'.encode()),
        ),
        (b'{"value": "v", "key": null}', Outgoing(b"v")),
        (b'{"value": "v", "key": ""}', Outgoing(b"v", b"")),
        (b'{"value": "v", "key_base64": "/w=="}', Outgoing(b"v", b"\xff")),
        (b'{"value": "v", "timestamp_ms": 0}', Outgoing(b"v", timestamp_ms=0)),
        (b'{"value": "v", "timestamp_ms": null}', Outgoing(b"v", timestamp_ms=NO_TIMESTAMP_MS)),
        (
            b'{"value": "v", "partition": 3, "topic": "t", "offset": 9, "timestamp_type": 1, "problem": "?"}',
            Outgoing(b"v", partition=3),
        ),
        (
            b'{"value": "v", "headers":'
            b' [["a", "1"], ["a", null], ["", ""], {"key": "b", "value_base64": "/w=="}]}',
            Outgoing(b"v", headers=[("a", b"1"), ("a", None), ("", b""), ("b", b"\xff")]),
        ),
    ],
)
def test_what_tail_prints_becomes_the_record_it_was(line: bytes, record: Outgoing) -> None:
    found = json_record(line, HERE)

    assert found is not None
    assert found._replace(headers=list(found.headers)) == record._replace(
        place=HERE, headers=list(record.headers)
    )


def test_a_blank_line_of_json_is_no_record() -> None:
    assert json_record(b"  ", HERE) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "not JSON: .* at column 2"),
        (b'"v"', "not a JSON object"),
        (b'{"valeu": "v"}', "unknown key 'valeu'"),
        (b'{"key": "k"}', 'neither "value" nor "value_base64"'),
        (b'{"value": "v", "value_base64": ""}', "only one of them"),
        (b'{"value_base64": "/"}', "value_base64 is not base64"),
        (b'{"value_base64": 1}', "value_base64 is no text"),
        (b'{"value": "\\ud800"}', "lone surrogate"),
        (b'{"value": {"n": 1e999}}', "not JSON compliant|Out of range"),
        (b'{"value": NaN}', "NaN is no number"),
        (b'{"value": "\xff"}', "not UTF-8"),
        (b"[" * 100_000, "too deep"),
        (b'{"value": "v", "key": 1}', "key is no text: 1"),
        (b'{"value": "v", "partition": true}', "partition is no integer"),
        (b'{"value": "v", "partition": -1}', "partition is no integer"),
        (b'{"value": "v", "timestamp_ms": 1.5}', "timestamp_ms is no integer"),
        (b'{"value": "v", "headers": {"a": "b"}}', "headers is no list"),
        (b'{"value": "v", "headers": [["a"]]}', "a header is"),
        (b'{"value": "v", "headers": [["a", 1]]}', "header's value is no text"),
        (b'{"value": "v", "headers": [{"key": "a"}]}', "a header is"),
    ],
)
def test_a_line_that_is_no_record_is_refused_with_what_is_wrong(line: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        json_record(line, HERE)
