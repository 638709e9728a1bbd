"""Where a job stands and what it did: for people, schedulers, monitoring and other tools."""
