"""Hypothesis as in the tests of records, and kernels that are compiled before the first test's time runs."""

import pytest

from loader.formats.json.decoder import PACKAGES
from loader.records.compilation import ensure_compiled
from tests.records import conftest as profiles

assert profiles  # importing it chose the profile


@pytest.fixture(autouse=True, scope="session")
def _kernels() -> None:
    ensure_compiled(*PACKAGES)
