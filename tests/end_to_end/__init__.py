"""Promises shown on real services, from the job file to the rows that a reader sees."""
