"""Copies Kafka topics into Parquet, in parallel, exactly once, by explicit offset ranges."""

__version__ = "0.1.0"
