"""The bytes of records: JSON as event topics hold it, the same for the same seed."""

from dataclasses import dataclass

import numpy as np

from benchmark.encodings import Encoding, broken, encoder

SEED = 20_261_122
T0_MS = 1_709_200_800_000
"""2024-02-29 10:00:00 UTC, the time of the first record; four records to the millisecond, so that all of a
workload lie in one hour, as those of an hourly run do."""

RECORDS_PER_MS = 4
FIRST_ID = 1_000_000

CITIES = (
    *(
        "Amsterdam",
        "Athens",
        "Berlin",
        "Brussels",
        "Bucharest",
        "Budapest",
        "Copenhagen",
        "Dublin",
        "Helsinki",
    ),
    *(
        "Lisbon",
        "Ljubljana",
        "London",
        "Madrid",
        "Oslo",
        "Paris",
        "Prague",
        "Riga",
        "Rome",
        "Sofia",
        "Vienna",
    ),
)

_PLAIN = b'{"id":%d,"user":"user-%06d","city":"%b","amount":%d.%02d,"ts":%d}'
_WITH_TEXT = b'{"id":%d,"user":"user-%06d","city":"%b","amount":%d.%02d,"ts":%d,"text":"%b"}'

_VOCABULARY = 4_000
_TEXT_WORDS = 3_000_000


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records that follow one another in one partition."""

    topic: str
    partition: int
    timestamps_ms: list[int]
    keys: list[bytes] | None
    values: list[bytes]


class ValueMaker:
    """Makes the records of one workload, one chunk after the other.

    value_bytes   about; more than the plain JSON is filled up with words
    broken_every  one value in so many is cut short
    """

    def __init__(
        self,
        value_bytes: int | None,
        *,
        has_keys: bool,
        encoding: Encoding = "json",
        broken_every: int | None = None,
    ) -> None:
        self._random = np.random.default_rng(SEED)
        self._cities = np.array([city.encode() for city in CITIES], dtype=object)
        self._text_bytes = 0 if value_bytes is None else value_bytes - 100
        self._text = _text(self._random) if value_bytes is not None else b""
        self._has_keys = has_keys
        self._next_id = FIRST_ID
        self._encode = None if encoding == "json" else encoder(encoding)
        self._broken_every = broken_every

    def chunk(self, topic: str, partition: int, count: int) -> Chunk:
        """The next `count` records."""
        ids = range(self._next_id, self._next_id + count)
        self._next_id += count
        users = self._random.integers(0, 200_000, count).tolist()
        cities = self._cities[self._random.integers(0, len(CITIES), count)].tolist()
        amounts = self._random.integers(0, 1_000, count).tolist()
        cents = self._random.integers(0, 100, count).tolist()
        times = [T0_MS + (number - FIRST_ID) // RECORDS_PER_MS for number in ids]
        fields = (ids, users, cities, amounts, cents, times)
        if self._text_bytes:
            starts = self._random.integers(0, len(self._text) - self._text_bytes, count).tolist()
            texts = [self._text[start : start + self._text_bytes] for start in starts]
            values = [_WITH_TEXT % each for each in zip(*fields, texts, strict=True)]
        else:
            values = [_PLAIN % each for each in zip(*fields, strict=True)]
        for at in range(0, count, self._broken_every or count + 1):
            if self._broken_every:
                values[at] = broken(values[at])
        if self._encode is not None:
            values = [self._encode(each) for each in values]
        keys = [b"user-%06d" % user for user in users] if self._has_keys else None
        return Chunk(topic, partition, times, keys, values)


def _text(random: np.random.Generator) -> bytes:
    """Words as often as words are: few very often, most seldom. zstd makes it three to four times smaller."""
    letters = np.frombuffer(b"etaoinshrdlucmfwypvbgkqjxz", np.uint8)
    lengths = random.integers(2, 11, _VOCABULARY)
    # The letters in front are the frequent ones, as in English.
    words = [letters[(random.random(length) ** 2 * 26).astype(np.int64)].tobytes() for length in lengths]
    weights = 1 / np.arange(1, _VOCABULARY + 1)
    chosen = random.choice(_VOCABULARY, _TEXT_WORDS, p=weights / weights.sum())
    return b" ".join([words[index] for index in chosen.tolist()])
