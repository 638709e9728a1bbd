"""Hypothesis as in the tests of records: the first example may take as long as the kernels to compile."""

from tests.records import conftest as profiles

assert profiles  # importing it chose the profile
