import pytest

from loader.planning.retention import Retention, deleted_in_ms, parse_retention

HOUR_MS = 3_600_000
NOW_MS = 1_700_000_000_000


@pytest.mark.parametrize(
    ("policy", "retention_ms", "retention_bytes", "expected"),
    [
        ("delete", "604800000", "-1", Retention(604_800_000, None)),
        ("compact, delete", "1000", "5000", Retention(1000, 5000)),
        ("compact", "1000", "5000", Retention()),
        ("delete", "-1", "-1", Retention()),
    ],
)
def test_only_a_topic_that_deletes_has_a_retention(
    policy: str, retention_ms: str, retention_bytes: str, expected: Retention
) -> None:
    assert parse_retention(policy, retention_ms, retention_bytes) == expected


@pytest.mark.parametrize(
    ("retention", "age_hours", "unread_bytes", "left_hours"),
    [
        (Retention(time_ms=10 * HOUR_MS), 4, 1000, 6),
        (Retention(time_ms=10 * HOUR_MS), 11, 1000, 0),
        # 1,000 bytes came within 4 hours: the other 500 that there is room for within 2.
        (Retention(size_bytes=1500), 4, 1000, 2),
        (Retention(size_bytes=900), 4, 1000, 0),
        (Retention(10 * HOUR_MS, 1500), 4, 1000, 2),
        (Retention(5 * HOUR_MS, 1500), 4, 1000, 1),
    ],
    ids=str,
)
def test_what_is_not_loaded_is_safe_until_it_is_too_old_or_too_much(
    retention: Retention, age_hours: int, unread_bytes: int, left_hours: int
) -> None:
    first_unread_ms = NOW_MS - age_hours * HOUR_MS

    assert deleted_in_ms(retention, first_unread_ms, NOW_MS, unread_bytes) == left_hours * HOUR_MS


@pytest.mark.parametrize(
    ("retention", "first_unread_ms"), [(Retention(), NOW_MS), (Retention(HOUR_MS), None)], ids=str
)
def test_nothing_is_told_where_nothing_is_deleted_or_the_age_is_not_known(
    retention: Retention, first_unread_ms: int | None
) -> None:
    assert deleted_in_ms(retention, first_unread_ms, NOW_MS, 1000) is None
