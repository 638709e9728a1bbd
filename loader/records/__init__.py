"""Bytes of a fetch response to Arrow rows: no I/O, and nothing compiled until the first decode."""
