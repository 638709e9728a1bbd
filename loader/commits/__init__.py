"""The ledger: numbered, immutable commits, of which the newest is the only truth about a job."""
