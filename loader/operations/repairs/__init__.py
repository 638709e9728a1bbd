"""A ledger that cannot be trusted, made anew from what is left of it."""
