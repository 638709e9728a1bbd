"""Columns of JSON that no JSON has are refused by the job file."""

import pytest
from pydantic import ValidationError

from loader.config.formats import JsonFormat


@pytest.mark.parametrize("column_type", ["map<long, string>", "list<struct<a: map<date, map<string, int>>>>"])
def test_keys_of_a_map_are_strings(column_type: str) -> None:
    with pytest.raises(ValidationError, match=r"by_id: keys of a map are strings in JSON, not (long|date)"):
        JsonFormat(format="json", columns={"by_id": column_type})
