"""Text: bytes that must be UTF-8."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from loader.formats.protocol import BadValues, DecodedValues, SchemaSource

NOT_UTF_8 = "not-utf-8"

# The well-formed sequences of the Unicode standard, table 3-7: no surrogates, no overlong forms, and nothing
# beyond U+10FFFF. On binary columns Arrow matches byte by byte.
_WELL_FORMED = (
    r"(?:[\x00-\x7F]"
    r"|[\xC2-\xDF][\x80-\xBF]"
    r"|\xE0[\xA0-\xBF][\x80-\xBF]"
    r"|[\xE1-\xEC\xEE\xEF][\x80-\xBF]{2}"
    r"|\xED[\x80-\x9F][\x80-\xBF]"
    r"|\xF0[\x90-\xBF][\x80-\xBF]{2}"
    r"|[\xF1-\xF3][\x80-\xBF]{3}"
    r"|\xF4[\x80-\x8F][\x80-\xBF]{2})*"
)
_WHOLE = rf"\A{_WELL_FORMED}\z"
_BEGINNING = rf"\A(?P<beginning>{_WELL_FORMED})"


@dataclass(frozen=True, slots=True)
class StringSpec:
    """Keys or values that are UTF-8 text."""

    @property
    def format_name(self) -> str:
        """As in the job file."""
        return "string"

    @property
    def column_type(self) -> pa.DataType:
        """One text."""
        return pa.string()

    def decoder(self, schemas: SchemaSource) -> "StringDecoder":
        """Needs no schemas."""
        del schemas
        return StringDecoder()


class StringDecoder:
    """Checks that bytes are UTF-8; copies none of them where all are."""

    @property
    def column_type(self) -> pa.DataType:
        """One text."""
        return pa.string()

    def decode(self, values: pa.BinaryArray) -> DecodedValues:
        """The texts. A bad one is told by the position of the first byte that does not belong."""
        try:
            return DecodedValues(values.cast(pa.string()), no_bad_values())
        except pa.ArrowInvalid:
            bad = _bad_rows(values)  # the cast says no more than that there is one
        is_bad = np.zeros(len(values), np.bool_)
        is_bad[_numbers(bad)] = True
        nothing = pa.scalar(None, values.type)
        good = pc.if_else(_booleans(is_bad), nothing, values).cast(pa.string())
        return DecodedValues(good, _bad(values.take(bad), bad))


def no_bad_values() -> BadValues:
    """When all is well."""
    nothing = pa.array([], pa.string())
    return BadValues(np.empty(0, np.int64), nothing, nothing, pa.array([], pa.int32()))


def _bad_rows(values: pa.BinaryArray) -> pa.Int64Array:
    """Which values are not UTF-8.

    A regular expression tells, in two nanoseconds for a byte, however many are bad. What is plain ASCII needs
    none, and that is most of what there is.
    """
    is_ascii = pc.string_is_ascii(values.view(pa.string())).fill_null(True)
    others = pc.indices_nonzero(pc.invert(is_ascii))
    is_good = pc.match_substring_regex(values.take(others), _WHOLE)
    return others.filter(pc.invert(is_good)).cast(pa.int64())


def _bad(values: pa.BinaryArray, rows: pa.Int64Array) -> BadValues:
    beginnings = pc.extract_regex(values, _BEGINNING).field("beginning")
    positions = pc.binary_length(beginnings).cast(pa.string())
    texts = pc.binary_join_element_wise("no UTF-8 from byte", positions, "on", " ")
    classes = pa.repeat(NOT_UTF_8, len(rows))
    return BadValues(_numbers(rows), classes, texts, pa.nulls(len(rows), pa.int32()))


def _booleans(values: NDArray[np.bool_]) -> pa.BooleanArray:
    bits = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])


def _numbers(array: pa.Int64Array) -> NDArray[np.int64]:
    # By the buffer: pyarrow's own conversion imports pandas where that is installed.
    values = np.frombuffer(array.buffers()[1], np.int64)
    return values[array.offset : array.offset + len(array)]
