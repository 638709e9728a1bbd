"""A row of a table that is sorted by a number."""

from loader.formats.protobuf.tables import TableOfKernel
from loader.records.kernel import part


@part
def find_row(table: TableOfKernel, column: int, lowest: int, highest: int, number: int) -> int:
    """The row of [lowest, highest) that has the number in the column, in which numbers rise; -1 for none."""
    while lowest < highest:
        middle: int = (lowest + highest) >> 1
        found = table[middle, column]
        if found == number:
            return middle
        if found < number:
            lowest = middle + 1
        else:
            highest = middle
    return -1
