"""Where things lie: names that every file system takes, that readers see, and that never meet."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from loader.values import OffsetRange, layout

TOPICS = st.from_regex(r"[A-Za-z0-9._-]{1,249}", fullmatch=True).filter(lambda name: name not in (".", ".."))
OFFSETS = st.integers(0, 2**63 - 1)
NUMBERS = st.integers(0, 2**31 - 1)
LONGEST_ID = "0123456789ab-99999-999999"
"""An attempt's id, the number of the topic in its split, and of the file: more than there ever are."""


@st.composite
def file_ranges(draw: st.DrawFn) -> tuple[OffsetRange, ...]:
    topic = draw(TOPICS)
    starts = draw(
        st.lists(st.tuples(NUMBERS, OFFSETS), min_size=1, max_size=3, unique_by=lambda pair: pair[0])
    )
    return tuple(OffsetRange(topic, number, start, 2**63) for number, start in sorted(starts))


@given(TOPICS, TOPICS)
def test_no_two_topics_share_a_folder(one: str, other: str) -> None:
    assume(one != other)

    assert layout.topic_folder(one) != layout.topic_folder(other)


@pytest.mark.parametrize(
    ("topic", "folder"),
    [
        ("orders", "orders"),
        ("_schemas", "%5Fschemas"),
        (".hidden", "%2Ehidden"),
        ("a.b", "a.b"),
        ("a_b", "a_b"),
        ("5Fschemas", "5Fschemas"),
        ("_loader", "%5Floader"),
    ],
)
def test_readers_see_every_topic_apart_from_its_likes(topic: str, folder: str) -> None:
    assert layout.topic_folder(topic) == folder


@given(TOPICS)
def test_a_topics_folder_fits_and_is_visible(topic: str) -> None:
    folder = layout.topic_folder(topic)

    assert len(folder.encode()) <= layout.MAX_NAME_BYTES
    assert folder[0] not in "_."
    assert "/" not in folder


@given(file_ranges())
def test_a_files_name_fits_is_visible_and_keeps_its_unique_part(ranges: tuple[OffsetRange, ...]) -> None:
    name = layout.data_file_name(ranges, LONGEST_ID)

    assert len(name.encode()) <= layout.MAX_NAME_BYTES
    assert name[0] not in "_."
    assert name.endswith(f"-{LONGEST_ID}.parquet")


def test_a_file_of_one_partition_tells_its_first_and_last_offset() -> None:
    name = layout.data_file_name((OffsetRange("orders", 3, 100, 250),), "a1-0-0")

    assert name == "orders-3-100-249-a1-0-0.parquet"


def test_a_file_of_several_partitions_tells_the_first_and_last_of_them() -> None:
    ranges = (OffsetRange("_orders", 3, 100, 250), OffsetRange("_orders", 11, 0, 9))

    assert layout.data_file_name(ranges, "a1-0-0") == "%5Forders-p3-p11-a1-0-0.parquet"


def test_long_topics_that_begin_alike_keep_names_apart() -> None:
    names = [
        layout.data_file_name((OffsetRange("x" * 248 + last, 0, 0, 2**63),), LONGEST_ID) for last in "ab"
    ]

    assert names[0] != names[1]
    assert all(len(name) == layout.MAX_NAME_BYTES for name in names)
    assert re.match(r"x+~[0-9a-f]{12}-0-0-", names[0])


@given(st.integers(0, 10**20 - 1), st.integers(0, 10**20 - 1))
def test_commits_sort_by_name_as_by_number(one: int, other: int) -> None:
    first, second = layout.commit_path("job", one), layout.commit_path("job", other)

    assert (first < second) == (one < other)
    assert (first == second) == (one == other)


def test_a_jobs_things_lie_in_its_hidden_folder() -> None:
    assert layout.identity_path("nightly") == "_loader/nightly/job.json"
    assert layout.commit_path("nightly", 42) == "_loader/nightly/commits/00000000000000000042.json"
    assert layout.run_folder("nightly", "r-1") == "_loader/nightly/runs/r-1"


@pytest.mark.parametrize(
    ("hour", "folder"),
    [
        (0, "dt=1970-01-01/hour=00"),
        (495_346, "dt=2026-07-05/hour=10"),
        (-1, "dt=1969-12-31/hour=23"),
        (-17_259_888, "dt=0001-01-01/hour=00"),
        (70_389_527, "dt=9999-12-31/hour=23"),
        (None, "dt=__HIVE_DEFAULT_PARTITION__/hour=__HIVE_DEFAULT_PARTITION__"),
        # Beyond the calendar that readers know.
        (-17_259_889, "dt=__HIVE_DEFAULT_PARTITION__/hour=__HIVE_DEFAULT_PARTITION__"),
        (70_389_528, "dt=__HIVE_DEFAULT_PARTITION__/hour=__HIVE_DEFAULT_PARTITION__"),
        (2**63 // 3_600_000, "dt=__HIVE_DEFAULT_PARTITION__/hour=__HIVE_DEFAULT_PARTITION__"),
        (-(2**63), "dt=__HIVE_DEFAULT_PARTITION__/hour=__HIVE_DEFAULT_PARTITION__"),
    ],
)
def test_every_hour_has_a_folder(hour: int | None, folder: str) -> None:
    assert layout.time_folder("hour", hour) == folder
    assert layout.time_folder("day", hour) == folder.partition("/")[0]
    assert layout.time_folder("none", hour) == ""


@given(TOPICS, TOPICS)
def test_a_topics_quarantine_is_hidden_and_never_taken_for_rows(one: str, other: str) -> None:
    quarantine = layout.quarantine_folder(one)

    assert quarantine.startswith("_")
    assert layout.is_quarantined(f"{quarantine}/a.parquet")
    assert not layout.is_quarantined(f"{layout.topic_folder(other)}/a.parquet")
    assert (layout.quarantine_folder(other) == quarantine) == (one == other)


def test_a_topic_called_as_the_quarantine_has_a_folder_of_its_own() -> None:
    assert layout.topic_folder("_quarantine") == "%5Fquarantine"
    assert layout.quarantine_folder("_quarantine") == "_quarantine/%5Fquarantine"
