"""Hypothesis as a suite on a shared machine needs it: the same examples each time, and no deadline.

To look for new failures: --hypothesis-profile=explore.
"""

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=3000)
if settings.get_current_profile_name() != "explore":
    settings.load_profile("steady")
