"""What bounds the memory of decoding."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What bounds the memory of decoding, whatever the bytes say.

    batch_bytes   the largest batch, decompressed; a larger one is refused
    chunk_bytes   rows are handed over when this much was decompressed, or one batch if that is larger; few
                  enough to be still in the processor's cache when they are located and gathered
    chunk_rows    or when there are as many rows, or as many headers
    """

    batch_bytes: int = 256 << 20
    chunk_bytes: int = 4 << 20
    chunk_rows: int = 1 << 18

    def __post_init__(self) -> None:
        if not (0 < self.chunk_bytes <= 1 << 30 and 0 < self.batch_bytes <= 1 << 30 and self.chunk_rows > 0):
            raise ValueError(f"{self!r}: needs limits from 1, and bytes up to 1 GiB")


DEFAULT_LIMITS = DecodeLimits()
