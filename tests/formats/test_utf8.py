"""UTF-8 as the kernels tell it, held to Python's own decoder."""

from hypothesis import given
from hypothesis import strategies as st

from loader.formats.utf8 import first_no_utf8
from loader.records.compilation import ensure_compiled
from loader.records.layout import as_octets

ensure_compiled("loader.formats")

PIECES = [
    *(bytes([octet]) for octet in b"\x00\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf"),
    *(bytes([octet]) for octet in b"\xe0\xe1\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff"),
    *(text.encode() for text in ("plain", "ž", "€", "\U0001f600", "\U0010ffff", "\ud7ff")),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join)


@given(text=TEXTS, around=st.sampled_from([b"", b"\x80\x80\x80", b"\xc2"]))
def test_the_first_wrong_character_is_found_where_python_finds_it(text: bytes, around: bytes) -> None:
    try:
        text.decode()
        expected = -1
    except UnicodeDecodeError as error:
        expected = len(around) + error.start

    assert first_no_utf8(as_octets(around + text + around), len(around), len(text)) == expected


def test_every_two_bytes_are_judged_as_by_python() -> None:
    for lead in range(256):
        for second in range(256):
            octets = bytes([lead, second])
            is_text = True
            try:
                octets.decode()
            except UnicodeDecodeError:
                is_text = False
            assert (first_no_utf8(as_octets(octets), 0, 2) < 0) == is_text, octets
