"""Bytes of keys and values to typed columns; and what becomes of those that cannot be decoded. No I/O."""
