"""Whether what was loaded is there: the ledger, the files, their rows, and samples of Kafka."""
