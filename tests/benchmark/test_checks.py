from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.checks import COLUMNS, Fingerprint, fingerprint_of_files, fingerprint_of_table, require_same
from benchmark.errors import BenchmarkError

Row = tuple[int, int, bytes]
RIGHT: list[Row] = [(0, 0, b"a"), (0, 1, b"b"), (1, 0, b"c"), (1, 3, b"d")]


def table(rows: list[Row]) -> pa.Table:
    partitions, offsets, values = zip(*rows, strict=True)
    return pa.table(
        {"topic": ["orders"] * len(rows), "partition": partitions, "offset": offsets, "value": values},
        schema=COLUMNS,
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        pytest.param(RIGHT[:-1], "wrote 3 rows, the topics hold 4", id="a row missing"),
        pytest.param([*RIGHT, RIGHT[0]], "wrote 5 rows, the topics hold 4", id="a row twice"),
        pytest.param([*RIGHT[:-1], RIGHT[0]], "not one for each offset", id="a row in the place of another"),
        pytest.param([*RIGHT[:-1], (1, 2, b"d")], "not one for each offset", id="an offset moved"),
        pytest.param([*RIGHT[:-1], (0, 3, b"d")], "not one for each offset", id="another partition"),
        pytest.param([*RIGHT[:-1], (1, 3, b"D")], "some values differ", id="a byte changed"),
        pytest.param(
            [(0, 0, b"b"), (0, 1, b"a"), *RIGHT[2:]], "not the values at their offsets", id="values exchanged"
        ),
    ],
)
def test_a_wrong_output_is_told_by_what_is_wrong_with_it(rows: list[Row], said: str) -> None:
    with pytest.raises(BenchmarkError, match=said) as raised:
        require_same(fingerprint_of_table(table(rows)), fingerprint_of_table(table(RIGHT)), "peer on W1")

    assert str(raised.value).startswith("peer on W1: ")


def test_rows_in_several_files_and_any_order_are_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "orders" / "hour=10").mkdir(parents=True)
    pq.write_table(table(RIGHT[2:]), tmp_path / "orders" / "hour=10" / "1.parquet")
    pq.write_table(table(RIGHT[:2][::-1]), tmp_path / "orders" / "2.parquet")

    found = fingerprint_of_files(tmp_path)

    require_same(found, fingerprint_of_table(table(RIGHT)), "peer")
    assert found == fingerprint_of_table(table(RIGHT[:1])) + fingerprint_of_table(table(RIGHT[1:]))


def test_files_that_no_reader_sees_do_not_count(tmp_path: Path) -> None:
    for hidden in ("_loader", ".staging"):
        (tmp_path / hidden).mkdir()
        pq.write_table(table(RIGHT), tmp_path / hidden / "1.parquet")

    assert fingerprint_of_files(tmp_path) == Fingerprint(0, 0, 0, 0)


def test_a_fingerprint_survives_its_document() -> None:
    fingerprint = fingerprint_of_table(table(RIGHT))

    assert Fingerprint.of_document(fingerprint.as_document()) == fingerprint
