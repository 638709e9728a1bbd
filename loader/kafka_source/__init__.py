"""Kafka, as the loader sees it: metadata, watermarks, raw fetches. The only home of kafka-python."""
