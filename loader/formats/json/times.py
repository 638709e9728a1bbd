"""Dates and times as JSON spells them: ISO 8601, with a zone where it is a moment."""

import numpy as np

from loader.formats.json.faults import BAD_TEXT, HAS_ZONE, NO_ZONE, NOT_EXACT, OUT_OF_RANGE
from loader.formats.json.words import signed
from loader.records.kernel import ReadOnlyBytes, lean_kernel

DAY_US = 86_400_000_000
EARLIEST_US, LATEST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
"""0001-01-01T00:00:00 and the last microsecond of the year 9999: what all readers of Parquet can show."""

_ZERO, _HYPHEN, _COLON, _POINT, _SPACE, _PLUS, _Z, _T = b"0-:. +ZT"
_LOWER_CASE = 0x20
_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)
_PLACES = np.array([10**power for power in range(7)], np.int64)


@lean_kernel
def read_digits(text: ReadOnlyBytes, at: int, end: int, count: int) -> int:
    """The number of exactly so many digits, or -1."""
    if at + count > end:
        return -1
    number = 0
    for i in range(count):
        digit = signed(text[np.uint64(at + i)]) - _ZERO
        if digit < 0 or digit > 9:
            return -1
        number = number * 10 + digit
    return number


@lean_kernel
def read_date(text: ReadOnlyBytes, at: int, end: int) -> tuple[int, int]:
    """Read YYYY-MM-DD. Returns (days since 1970, where it ends), or (0, -1)."""
    year = read_digits(text, at, end, 4)
    month = read_digits(text, at + 5, end, 2)
    day = read_digits(text, at + 8, end, 2)
    if year < 1 or not 1 <= month <= 12 or day < 1:
        return 0, -1
    if text[np.uint64(at + 4)] != _HYPHEN or text[np.uint64(at + 7)] != _HYPHEN:
        return 0, -1
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > _DAYS[month] + (month == 2 and is_leap):
        return 0, -1
    # Years that begin in March end with their leap day; 306 days of the first are before 0001-01-01.
    if month < 3:
        year -= 1
        month += 12
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day
    return days - 719_469, at + 10


@lean_kernel
def read_clock(text: ReadOnlyBytes, at: int, end: int, needs_seconds: bool) -> tuple[int, int, bool]:
    """Read HH:MM:SS, and digits behind the seconds; or HH:MM unless seconds are needed.

    Returns (microseconds of the day, where it ends or -1, whether digits beyond microseconds are lost).
    """
    hour, minute = read_digits(text, at, end, 2), read_digits(text, at + 3, end, 2)
    if not 0 <= hour <= 23 or not 0 <= minute <= 59 or text[np.uint64(at + 2)] != _COLON:
        return 0, -1, False
    seconds = 3600 * hour + 60 * minute
    at += 5
    if at >= end or text[np.uint64(at)] != _COLON:
        return seconds * 1_000_000, -1 if needs_seconds else at, False
    second = read_digits(text, at + 1, end, 2)
    if not 0 <= second <= 59:
        return 0, -1, False
    clock = (seconds + second) * 1_000_000
    at += 3
    if at >= end or text[np.uint64(at)] != _POINT:
        return clock, at, False
    at += 1
    first = at
    fraction = 0
    is_lost = False
    while at < end:
        digit = signed(text[np.uint64(at)]) - _ZERO
        if digit < 0 or digit > 9:
            break
        if at - first < 6:
            fraction = fraction * 10 + digit
        elif digit > 0:
            is_lost = True
        at += 1
    if at == first:
        return 0, -1, False
    return clock + fraction * _PLACES[max(6 - (at - first), 0)], at, is_lost


@lean_kernel
def read_zone(text: ReadOnlyBytes, at: int, end: int) -> tuple[int, int]:
    """Read Z, +HH:MM, +HHMM or +HH. Returns (microseconds east of Greenwich, where it ends), or (0, -1)."""
    sign = text[np.uint64(at)]
    if sign | _LOWER_CASE == _Z | _LOWER_CASE:
        return 0, at + 1
    hour = read_digits(text, at + 1, end, 2)
    if (sign != _PLUS and sign != _HYPHEN) or not 0 <= hour <= 23:
        return 0, -1
    at += 3
    minute = 0
    if at < end:
        at += text[np.uint64(at)] == _COLON
        minute = read_digits(text, at, end, 2)
        if not 0 <= minute <= 59:
            return 0, -1
        at += 2
    east = (3600 * hour + 60 * minute) * 1_000_000
    return -east if sign == _HYPHEN else east, at


@lean_kernel
def read_moment(text: ReadOnlyBytes, at: int, end: int, has_zone: bool) -> tuple[int, int]:
    """Read a date, T or a space, a time, and a zone where there is one. All of [at, end) must be it.

    Returns (microseconds since 1970, 0), or (0, what is wrong).
    """
    days, at = read_date(text, at, end)
    if at < 0 or at >= end:
        return 0, BAD_TEXT
    between = text[np.uint64(at)]
    if between | _LOWER_CASE != _T | _LOWER_CASE and between != _SPACE:
        return 0, BAD_TEXT
    clock, at, is_lost = read_clock(text, at + 1, end, False)
    if at < 0:
        return 0, BAD_TEXT
    east = 0
    if at == end:
        if has_zone:
            return 0, NO_ZONE
    else:
        east, at = read_zone(text, at, end)
        if at != end:
            return 0, BAD_TEXT
        if not has_zone:
            return 0, HAS_ZONE
    if is_lost:
        return 0, NOT_EXACT
    moment = days * DAY_US + clock - east
    if not EARLIEST_US <= moment <= LATEST_US:
        return 0, OUT_OF_RANGE
    return moment, 0


@lean_kernel
def read_time(text: ReadOnlyBytes, at: int, end: int) -> tuple[int, int]:
    """Read HH:MM:SS and digits behind it. Returns (microseconds of the day, 0), or (0, what is wrong)."""
    clock, at, is_lost = read_clock(text, at, end, True)
    if at != end:
        return 0, BAD_TEXT
    return clock, NOT_EXACT if is_lost else 0
