"""What tests/README.md says of the tests is true."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent
ROW = re.compile(r"\| ([\w/]+\.py)::(test_\w+) \|")


def test_every_rule_of_the_readme_names_a_test_that_there_is() -> None:
    rows = ROW.findall((FOLDER / "README.md").read_text())

    assert len(rows) > 50
    for path, name in rows:
        source = (FOLDER / path.replace("E/", "end_to_end/", 1)).read_text()
        assert re.search(rf"def {name}\(", source), f"{path} has no {name}"


def test_every_row_of_the_readmes_tables_names_a_test() -> None:
    rows = [line for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith("| ")]

    unproven = [row for row in rows if not ROW.search(row) and not row.startswith("| rule |")]
    assert unproven == []
