"""The command line: the only place that prints, reads the clock and the environment, and makes ids."""
