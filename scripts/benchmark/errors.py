"""What a benchmark ends with when it cannot measure, or must not believe what it measured."""


class BenchmarkError(Exception):
    """A measurement that cannot be had or does not count; the message says why, and what to do."""
