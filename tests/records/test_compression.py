"""What is compressed here is read by the reader of all shapes, block by block at its borders."""

import numpy as np
import pytest

from loader.records.codecs import decompress
from loader.records.compression import CODEC_IDS, compress
from loader.records.layout import as_octets

BORDER = 64 << 10


@pytest.mark.parametrize("codec", CODEC_IDS)
@pytest.mark.parametrize("size", [1, BORDER - 1, BORDER, BORDER + 1, 3 * BORDER])
@pytest.mark.parametrize("is_random", [False, True], ids=["text", "random"])
def test_compressed_records_are_the_same_again(codec: str, size: int, is_random: bool) -> None:
    octets = np.random.default_rng(7).bytes(size) if is_random else (b"some text, " * (size // 10 + 1))[:size]
    room = np.zeros(size, np.uint8)

    compressed = compress(CODEC_IDS[codec], octets)

    assert decompress(CODEC_IDS[codec], as_octets(compressed), room) == size
    assert room.tobytes() == octets
