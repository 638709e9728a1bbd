"""Header keys that are not UTF-8, read the way Java reads them."""


def decode_like_java(key: bytes) -> str:
    """Decode UTF-8 as Java's `new String(bytes, UTF_8)` does."""
    return key.decode("utf-8", "replace")
