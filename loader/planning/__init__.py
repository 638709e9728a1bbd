"""What a run will read, decided by integers alone: ranges, limits, splits, and the coverage gate."""
