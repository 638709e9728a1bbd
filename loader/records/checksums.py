"""The CRC-32C of a batch, computed by the processor's own instruction."""

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from loader.records.layout import CRC_COVERS_FROM, BatchHeader
from loader.records.problems import MalformedBatch


def check(records: NDArray[np.uint8], header: BatchHeader) -> None:
    """Refuse a batch whose bytes are not those the producer or the broker computed the CRC over."""
    found = google_crc32c.value(records[header.start + CRC_COVERS_FROM : header.end])
    if found != header.crc:
        raise MalformedBatch(f"the batch's CRC is {header.crc:08x}, but its bytes give {found:08x}")
