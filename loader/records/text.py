"""Header keys that are not UTF-8, read the way Java reads them.

Java and Python agree on where U+FFFD goes, except for a surrogate: Python replaces each of its bytes, Java
all of them, and as much of it as there is, by one.
"""

import re

_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]?")
_NEVER_IN_UTF8 = b"\xff"


def decode_like_java(key: bytes) -> str:
    """Decode UTF-8 as Java's `new String(bytes, UTF_8)` does."""
    return _SURROGATE.sub(_NEVER_IN_UTF8, key).decode("utf-8", "replace")
