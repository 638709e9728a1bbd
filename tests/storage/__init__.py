"""Both file systems, held to one contract."""
