"""What decodes records: the CRC, the kernels and where they are kept, and each codec."""

import base64
import tempfile
from collections.abc import Iterator

from loader.operations.checks.check import Check, bad, doubtful, fine
from loader.operations.checks.golden import BATCHES, END_OFFSET, ROWS_SHA256

CRC_EXAMPLE, CRC_OF_EXAMPLE = b"123456789", 0xE3069283
"""The check value of CRC-32C in RFC 3720 and every catalogue of CRCs."""


def check_crc() -> Iterator[Check]:
    """The CRC of batches: right, and computed by the processor."""
    import google_crc32c

    found = google_crc32c.value(CRC_EXAMPLE)
    if found != CRC_OF_EXAMPLE:
        yield bad(
            "crc32c",
            f"google-crc32c gives {found:08x} where {CRC_OF_EXAMPLE:08x} is right",
            "Install it anew: pip install --force-reinstall google-crc32c",
            2,
        )
    elif google_crc32c.implementation != "c":
        yield doubtful(
            "crc32c",
            "computed in Python: each byte that is read costs many times more",
            "Install google-crc32c as a wheel, which has the processor's instruction.",
        )
    else:
        yield fine("crc32c", "right, by the processor's instruction")


def check_kernel_cache() -> Iterator[Check]:
    """Whether compiled kernels can be kept, so that not every process compiles for itself."""
    from loader.records.compilation import cache_folder

    to_do = "Let this user write there, or set NUMBA_CACHE_DIR to a folder of its own."
    try:
        folder = cache_folder()
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError) as error:
        costs = "each process compiles its kernels again, a second or two"
        yield doubtful("kernel cache", f"no folder can be written: {costs} ({error})", to_do)
        return
    yield fine("kernel cache", f"{folder} can be written")


def check_codecs() -> Iterator[Check]:
    """Decode a small batch of each codec, by the code that tasks run."""
    import hashlib

    from loader.records.decoder import decode
    from loader.values import FetchedRecords, OffsetRange

    broken = []
    for codec, text in BATCHES.items():
        fetched = FetchedRecords("doctor", 0, 0, base64.b64decode(text), END_OFFSET, END_OFFSET, 0, -1)
        try:
            parts = list(decode(fetched, OffsetRange("doctor", 0, 0, END_OFFSET), 0, "read_committed"))
            rows = [row for part in parts for row in part.rows.select(["offset", "key", "value"]).to_pylist()]
        except Exception as error:  # whatever a broken library does, the other codecs are still looked at
            broken.append(f"{codec}: {error!r}")
            continue
        if hashlib.sha256(repr([list(row.values()) for row in rows]).encode()).hexdigest() != ROWS_SHA256:
            broken.append(f"{codec}: other rows than were written")
    if broken:
        to_do = "Install the codecs anew: pip install --force-reinstall cramjam numba"
        yield bad("codecs", "; ".join(broken), to_do, 2)
    else:
        yield fine("codecs", f"{', '.join(BATCHES)} decode as Kafka's Java client wrote them")
