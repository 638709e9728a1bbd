"""A row's time is the one that its topic goes by, and one that cannot be right is told, never guessed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from loader.config.times import FieldTime, LoadTime
from loader.config.topics import TopicConfig
from loader.errors import ConfigError
from loader.formats.protocol import NoSchemas
from loader.formats.record_formatter import RecordFormatter
from loader.formats.string import StringSpec
from loader.formats.table_columns import with_table_columns
from loader.formats.times import RowTimes, row_times
from loader.formats.topic_format import TopicFormat
from loader.records.schema import RAW_SCHEMA
from tests.formats.examples import Fields, raw_rows

BEGAN = datetime(2024, 2, 29, 10, tzinfo=UTC)
BEGAN_MS = round(BEGAN.timestamp() * 1000)

COLUMNS = pa.struct(
    [
        ("at", pa.timestamp("us", "UTC")),
        ("local", pa.timestamp("us")),
        ("day", pa.date32()),
        ("number", pa.int64()),
    ]
)


def times(**config: Any) -> RowTimes:
    return row_times(TopicConfig.model_validate({"name": "orders", **config}), BEGAN_MS)


def by_field(name: str, **config: Any) -> RowTimes:
    columns = {"at": "timestamp(us)", "local": "timestamp_ntz", "day": "date", "number": "long"}
    return times(time={"field": name}, value={"format": "json", "columns": columns}, **config)


def typed(values: list[Any], record_times: list[datetime | None] | None = None) -> pa.RecordBatch:
    formatter = RecordFormatter("orders", TopicFormat(value=Fields(COLUMNS)), NoSchemas(), "run-a")
    return formatter.format(raw_rows(values, record_times)).good


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("at", BEGAN, BEGAN),
        ("local", BEGAN.replace(tzinfo=None), BEGAN),
        ("day", BEGAN.date(), BEGAN.replace(hour=0)),
    ],
)
def test_a_column_gives_the_time_and_what_has_none_is_null(
    name: str, value: object, expected: datetime
) -> None:
    rows = typed([{name: None}, {name: value}, None, {name: value}])

    found = by_field(name).of(rows.slice(1))

    microseconds = round(expected.timestamp() * 1_000_000)
    assert found.to_pylist() == [microseconds, None, microseconds]


@pytest.mark.parametrize("days", [2**31 - 1, -(2**31)])
def test_a_date_beyond_all_microseconds_stays_on_its_side(days: int) -> None:
    rows = typed([{"day": days}])

    [found] = by_field("day").of(rows).to_pylist()

    assert abs(found) > 9 * 10**18
    assert (found > 0) == (days > 0)


def test_by_load_time_every_row_has_the_time_of_its_run() -> None:
    rows = raw_rows([b"a", b"b"], [BEGAN - timedelta(days=9), None])

    assert times(time="load").of(rows).to_pylist() == [BEGAN_MS * 1000] * 2


MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize("absurd_times", ["quarantine", "load_time"])
@pytest.mark.parametrize(
    ("time", "is_absurd"),
    [
        (BEGAN - timedelta(days=365), False),
        (BEGAN - timedelta(days=365) - MOMENT, True),
        (BEGAN + timedelta(minutes=60), False),
        (BEGAN + timedelta(minutes=60) + MOMENT, True),
        (datetime(1970, 1, 1, tzinfo=UTC), True),
        (None, False),
    ],
)
def test_times_before_a_year_or_after_an_hour_are_absurd_and_no_time_is_not(
    absurd_times: str, time: datetime | None, is_absurd: bool
) -> None:
    rows = raw_rows([b"a", b"b"], [BEGAN, time])
    fields = typed([{"at": BEGAN}, {"at": time}], [None, None])

    assert times(absurd_times=absurd_times).are_absurd(rows).to_pylist() == [False, is_absurd]
    assert by_field("at", absurd_times=absurd_times).are_absurd(fields).to_pylist() == [False, is_absurd]


def test_the_bounds_are_those_of_the_job_file() -> None:
    rows = raw_rows([b"a"] * 3, [BEGAN - timedelta(days=3), BEGAN, BEGAN + timedelta(minutes=3)])

    wide = times(absurd_times="quarantine", oldest_days=3, future_minutes=3)
    narrow = times(absurd_times="quarantine", oldest_days=2, future_minutes=2)

    assert wide.are_absurd(rows).to_pylist() == [False, False, False]
    assert narrow.are_absurd(rows).to_pylist() == [True, False, True]


OLD, NEW = BEGAN - timedelta(days=400), BEGAN + timedelta(days=1)
SAID = ["more than 365 days before", "more than 60 minutes after"]


@pytest.mark.parametrize("topic_format", [TopicFormat(), TopicFormat(value=StringSpec())])
def test_absurd_records_leave_the_rows_for_the_quarantine_with_the_reason(topic_format: TopicFormat) -> None:
    rows = raw_rows([b"a", b"b", b"c", b"d"], [BEGAN, OLD, None, NEW])
    judging = replace(topic_format, times=times(absurd_times="quarantine"))

    good, bad = RecordFormatter("orders", judging, NoSchemas(), "run-a").format(rows)

    assert not judging.takes_every_row
    offsets = good["offset"] if judging.is_raw else good["kafka"].field("offset")
    assert offsets.to_pylist() == [0, 2]
    assert bad is not None
    assert bad.select(RAW_SCHEMA.names).equals(rows.take(pa.array([1, 3])))
    assert [
        (row["format"], row["error_class"], row["schema_id"], row["run_id"]) for row in bad.to_pylist()
    ] == [("time", "absurd-time", None, "run-a")] * 2
    assert bad["error_text"].to_pylist() == [
        f"timestamp: {time:%Y-%m-%d %H:%M:%S.%f} UTC is {said} the run began (2024-02-29 10:00:00.000000 UTC)"
        for time, said in zip([OLD, NEW], SAID, strict=True)
    ]


def test_an_absurd_column_is_told_by_its_name_even_beyond_the_calendar() -> None:
    rows = raw_rows([{"at": 2**62}, {"at": BEGAN}], [BEGAN, OLD])
    judging = TopicFormat(value=Fields(COLUMNS), times=by_field("at", absurd_times="quarantine"))

    good, bad = RecordFormatter("orders", judging, NoSchemas(), "run-a").format(rows)

    assert good["kafka"].field("offset").to_pylist() == [1]
    assert bad is not None
    [text] = bad["error_text"].to_pylist()
    assert text.startswith("at: ")
    assert str(2**62) in text
    assert SAID[1] in text


def test_what_cannot_be_decoded_is_told_as_that_whatever_its_time() -> None:
    rows = raw_rows([b"\xff"], [OLD])
    judging = TopicFormat(value=StringSpec(), times=times(absurd_times="quarantine"))

    _, bad = RecordFormatter("orders", judging, NoSchemas(), "run-a").format(rows)

    assert bad is not None
    assert bad["error_class"].to_pylist() == ["not-utf-8"]


@pytest.mark.parametrize("absurd_times", ["keep", "load_time"])
def test_only_where_it_is_asked_for_does_a_time_take_a_record_out_of_the_rows(absurd_times: str) -> None:
    rows = raw_rows([b"a", b"b"], [OLD, NEW])
    patient = TopicFormat(times=times(absurd_times=absurd_times))

    assert patient.takes_every_row
    assert len(patient.times.bad(rows)) == 0


def test_by_default_nothing_is_judged() -> None:
    assert times() == RowTimes(load_time_ms=BEGAN_MS)
    assert TopicFormat().takes_every_row


@pytest.mark.parametrize(
    ("name", "problem"),
    [("gone", "gone is no column"), ("number", "number is long, no time"), ("AT", "AT is no column")],
)
def test_a_time_that_is_no_column_is_refused_by_what_there_is(name: str, problem: str) -> None:
    rows_by = TopicFormat(value=Fields(COLUMNS), times=RowTimes(time=FieldTime(name)))

    with pytest.raises(ConfigError, match=rf"orders: time\.field: {problem}\..* it has at, day, local$"):
        with_table_columns("orders", rows_by, None)


def test_the_time_goes_by_the_name_that_a_field_is_given() -> None:
    renamed = TopicFormat(
        value=Fields(COLUMNS), rename={"at": "ordered_at"}, times=RowTimes(time=FieldTime("ordered_at"))
    )

    assert str(with_table_columns("orders", renamed, None).columns).startswith("struct<ordered_at: timestamp")


def test_load_time_asks_for_no_column() -> None:
    assert with_table_columns("orders", TopicFormat(times=RowTimes(time=LoadTime())), None).columns is None


def test_raw_rows_beside_typed_ones_stay_as_kafka_has_them_also_where_their_times_are_judged() -> None:
    typed_before = with_table_columns("orders", TopicFormat(value=Fields(COLUMNS)), None)
    judging = TopicFormat(times=times(absurd_times="quarantine"))

    after = with_table_columns("orders", judging, typed_before.columns)
    formatter = RecordFormatter("orders", after, NoSchemas(), "run-a")
    good, bad = formatter.format(raw_rows([b"a", b"b"], [BEGAN, OLD]))

    assert formatter.schema == good.schema == RAW_SCHEMA
    assert good["offset"].to_pylist() == [0]
    assert bad is not None
    assert after.columns is not None
    assert [name for name, _ in after.columns.fields] == [*COLUMNS.names, *RAW_SCHEMA.names, "kafka"]
