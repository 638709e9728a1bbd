"""Topics and groups as Kafka has them at this moment: looked at, and written to."""
