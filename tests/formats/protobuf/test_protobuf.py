"""Messages of random types become the columns that Google's runtime says, or are bad where it is."""

import random
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.formats.protobuf.spec import ProtobufSpec
from loader.formats.protocol import NoSchemas

from .plain_protobuf import Bad, Unlike, held, read
from .schemas import descriptor_set, fill, flipped, mangled, message_class, random_file, without_texts


class Case:
    """One random message type, with Google's reader and ours."""

    def __init__(self, seed: int, *, may_be_no_text: bool = False) -> None:
        self.rnd = random.Random(seed)
        file = random_file(self.rnd, self.rnd.choice(["proto2", "proto3"]))
        if may_be_no_text and file.syntax == "proto2":
            # Of a proto2 text that a later one replaces, Google's runtime never tells that it was none.
            without_texts(file)
        descriptors = descriptor_set(file)
        self.plain: Any = message_class(descriptors, "r.M0")
        self._decoder = ProtobufSpec(descriptor_set=descriptors, message="r.M0").decoder(NoSchemas())

    def octets(self) -> bytes:
        message = self.plain()
        fill(self.rnd, message)
        octets: bytes = message.SerializePartialToString()
        return octets

    def mangled(self) -> bytes:
        return mangled(self.rnd, self.octets(), self.plain.DESCRIPTOR)

    def check(self, values: Sequence[bytes | None]) -> list[int]:
        """Both read the same of each value, and find the same ones bad; returns those."""
        decoded = self._decoder.decode(pa.array(values, pa.binary()))
        decoded.column.validate(full=True)
        found = held(decoded.column)
        expected, bad = [], []
        for row, value in enumerate(values):
            try:
                expected.append(None if value is None else read(self.plain, value))
            except Bad:
                bad.append(row)
                expected.append(None)
            except Unlike:
                expected.append(found[row])
                bad += [row] if row in decoded.bad.rows else []
        assert found == expected
        assert decoded.bad.rows.tolist() == bad
        return bad


@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_messages_are_read_as_by_google_in_any_order_twice_in_pieces_and_merged(seed: int) -> None:
    case = Case(seed)

    case.check(
        [None, b"", case.octets(), *(case.mangled() for _ in range(8)), case.mangled() + case.mangled()]
    )


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_a_message_that_ends_early_is_good_or_bad_as_by_google(seed: int) -> None:
    case = Case(seed)
    octets = case.mangled()[:300]

    case.check([octets[:size] for size in range(len(octets))])


@settings(max_examples=120)
@given(st.integers(0, 2**32))
def test_a_message_with_other_bytes_is_good_or_bad_as_by_google(seed: int) -> None:
    case = Case(seed, may_be_no_text=True)

    case.check([flipped(case.rnd, case.mangled()) for _ in range(40)])


@pytest.mark.parametrize("size", [1, 7, 300])
def test_random_bytes_never_crash(size: int) -> None:
    for seed in range(20):
        case = Case(seed, may_be_no_text=True)
        case.check([case.rnd.randbytes(size) for _ in range(50)])
