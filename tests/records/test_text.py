"""Header keys that are not UTF-8. What is expected was printed by Java 17: new String(bytes, UTF_8)."""

import pytest

from loader.records.text import decode_like_java


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"plain", "plain"),
        ("zażółć ☃ 𝄞".encode(), "zażółć ☃ 𝄞"),
        (b"\xff", "\ufffd"),
        (b"a\x80b", "a\ufffdb"),
        (b"\xc0\x80", "\ufffd\ufffd"),
        (b"\xc3", "\ufffd"),
        (b"\xe2\x98", "\ufffd"),
        (b"\xe2\x98A", "\ufffdA"),
        (b"\xe0\x80\x80", "\ufffd\ufffd\ufffd"),
        (b"\xf0\x9d\x84", "\ufffd"),
        (b"\xf0\x80\x80\x80", "\ufffd\ufffd\ufffd\ufffd"),
        (b"\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"),
        (b"\xed\xa0\x80", "\ufffd"),
        (b"\xed\xa0", "\ufffd"),
        (b"\xed\xa0A", "\ufffdA"),
        (b"\xed\xa0\xed\xb0\x80", "\ufffd\ufffd"),
        (b"\xed\xa0\xbd\xed\xb8\x80", "\ufffd\ufffd"),
    ],
)
def test_wrong_bytes_become_as_many_replacement_characters_as_in_java(octets: bytes, text: str) -> None:
    assert decode_like_java(octets) == text
