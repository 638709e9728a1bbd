from pathlib import Path

import pytest

from benchmark.errors import BenchmarkError
from benchmark.report import BEGIN, END, tables_of, write_readme

from .test_goals import results_of


def test_a_table_tells_median_spread_and_ratio_of_each_competitor() -> None:
    text = tables_of(results_of(loader=2.0, spark=15.0))

    assert "| loader | 1 | 2.00 (2.00 to 2.00) | 1.00 x | 1.00 | 0.50 | 1 | 1 |" in text
    assert "| spark | 1 | 15.00 (15.00 to 15.00) | 7.50 x | 1.00 | 0.50 | 1 | 1 |" in text
    assert "**W1**: records; 100 rows" in text


def test_misses_and_what_was_not_measured_are_said_plainly(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.touch()
    write_readme(readme, results_of(loader=2.0, spark=12.0), None, "RESULTS.md")
    lines = readme.read_text().splitlines()

    assert (
        "| W1 load stage, 2 processes, against Spark's source, warm JVM | 7 x | 6.00 x | **missed** |"
        in lines
    )
    assert any(line.startswith("| W7 ") and line.endswith("| not measured |  |") for line in lines)


def test_only_what_is_between_the_markers_is_replaced(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\n## After\n")

    write_readme(readme, results_of(loader=1.0), "plot.svg", "RESULTS.md")
    once = readme.read_text()
    write_readme(readme, results_of(loader=1.0), "plot.svg", "RESULTS.md")

    assert readme.read_text() == once
    assert once.startswith(f"# Title\n\n{BEGIN}\n")
    assert once.endswith(f"\n{END}\n\n## After\n")
    assert "old" not in once
    assert "(plot.svg)" in once
    assert "(RESULTS.md)" in once


def test_a_section_is_made_where_there_is_none(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("# Title\n")

    write_readme(readme, {}, None, "RESULTS.md")

    assert readme.read_text().startswith(f"# Title\n\n## Performance\n\n{BEGIN}\nNothing was measured yet")


def test_a_lost_end_marker_costs_no_text(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"# Title\n\n{BEGIN}\n\n## After\n")

    with pytest.raises(BenchmarkError, match="add the second marker"):
        write_readme(readme, {}, None, "RESULTS.md")

    assert readme.read_text() == f"# Title\n\n{BEGIN}\n\n## After\n"
