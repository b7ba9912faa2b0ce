"""Hypothesis without deadlines: the first example of a test may wait for a kernel to load."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
