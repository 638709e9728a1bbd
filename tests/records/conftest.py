"""Hypothesis without a deadline: a test's first example compiles kernels, and the machine may be shared."""

from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
