"""Errors cross process borders whole, and each ends the program with a status that is documented."""

import pickle
from collections.abc import Iterator

import pytest

from loader import errors
from loader.errors import LoaderError, gravest_exit_status
from loader.values import OffsetRange, SplitResult, TopicFailure, TopicPartition

PARTITION = TopicPartition("orders", 3)
RANGE = OffsetRange("orders", 3, 100, 250)

ARGUMENTS: dict[str, tuple[object, ...]] = {
    "ConfigError": (["kafka: unknown key", "job: missing"], "job.toml"),
    "PersonDecides": ("what happened, nothing lost", (errors.RUN_AGAIN, errors.REPAIR)),
    "TooManyBadRecords": ("5 of 9 cannot be decoded, nothing lost", (errors.ALLOW_BAD, errors.LEAVE_OUT)),
    "LedgerDamaged": ("commit 7 is missing, nothing lost", (errors.RUN_AGAIN, errors.REPAIR)),
    "FetchStalled": (RANGE, 120.0, "waiting because broker 1 is away"),
    "OffsetsExpired": (RANGE, 180),
    "BackfillExpired": (RANGE, 180),
    "ReplacedRecordsGone": (RANGE, 40, 30),
    "SnapshotGone": (7, "orders/a.parquet"),
    "TopicRecreated": ("orders", "id-1", "id-2"),
    "TopicVanished": ("orders", True),
    "ClusterChanged": ("c-1", "c-2"),
    "LogTruncated": (PARTITION, 100, 90),
    "LogDiverged": (PARTITION, 100, 4, 90),
    "CorruptBatch": (PARTITION, 100, 1, "CRC"),
    "UnsupportedMessageFormat": (PARTITION, 100, 1),
    "SchemaChanged": ("orders", "price", "was int and is string", (7, 9)),
    "SchemaNotPlanned": (7, ": price: was long and is string"),
    "CommitSuperseded": (7, "run-b", "run-a"),
}
"""Of the classes that make their message themselves; the others take it."""

DOCUMENTED_STATUS = {1, 2, 3, 4, 5}


def subclasses(of: type[LoaderError]) -> Iterator[type[LoaderError]]:
    for each in of.__subclasses__():
        yield each
        yield from subclasses(each)


# Only this package's: a test may define a subclass of its own.
CLASSES = [each for each in (LoaderError, *subclasses(LoaderError)) if each.__module__.startswith("loader.")]


def example(kind: type[LoaderError]) -> LoaderError:
    if "__init__" in vars(kind):
        assert kind.__name__ in ARGUMENTS, f"give {kind.__name__} example arguments in this file"
    return kind(*ARGUMENTS.get(kind.__name__, ("what happened, what is safe, what to do",)))


@pytest.mark.parametrize("kind", CLASSES, ids=str)
def test_an_error_survives_pickling_with_its_message_and_its_facts(kind: type[LoaderError]) -> None:
    error = example(kind)

    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes

    assert type(copy) is kind
    assert str(copy) == str(error)
    assert copy.args == error.args
    assert vars(copy) == vars(error)


@pytest.mark.parametrize("kind", CLASSES, ids=str)
def test_an_error_has_a_documented_exit_status(kind: type[LoaderError]) -> None:
    assert kind.exit_status in DOCUMENTED_STATUS
    assert kind.__doc__


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_an_error_that_words_itself_keeps_its_facts(name: str) -> None:
    error = example(getattr(errors, name))

    assert vars(error), f"{name} keeps none of the facts in its message"
    for argument in ARGUMENTS[name]:
        assert argument in (*vars(error).values(), error.args[0]) or isinstance(argument, list)


@pytest.mark.parametrize("kind", [errors.PersonDecides, *subclasses(errors.PersonDecides)], ids=str)
def test_where_a_person_decides_each_choice_comes_with_its_command(kind: type[errors.PersonDecides]) -> None:
    error = example(kind)

    assert isinstance(error, errors.PersonDecides)
    assert error.choices
    for choice in error.choices:
        assert f"\n  - {choice.meaning}: {choice.command}" in str(error)
        assert choice.command.startswith("kafka-loader ")


@pytest.mark.parametrize(
    "kind",
    [getattr(errors, name) for name in sorted(ARGUMENTS) if name not in ("ConfigError", "SnapshotGone")],
    ids=str,
)
def test_an_error_that_words_itself_says_what_is_safe(kind: type[LoaderError]) -> None:
    assert "othing " in str(example(kind))


def test_a_failure_travels_inside_a_result() -> None:
    failure = TopicFailure("orders", example(errors.OffsetsExpired))
    result = SplitResult(0, "a1", (), (), (failure,))

    copy = pickle.loads(pickle.dumps(result))  # noqa: S301  our own bytes

    assert str(copy.failures[0].error) == str(failure.error)
    assert copy.failures[0].error.exit_status == 4


def test_an_expired_range_counts_what_was_lost() -> None:
    assert "so 80 offsets were deleted" in str(errors.OffsetsExpired(RANGE, 180))
    assert "so 150 offsets were deleted" in str(errors.OffsetsExpired(RANGE, 900))
    assert "deleted since the position was set back" in str(errors.OffsetsExpired(RANGE, 180, True))


def test_every_problem_of_a_config_is_told_with_its_file() -> None:
    error = errors.ConfigError(["one", "two"], "job.toml")

    assert str(error) == "job.toml: one\njob.toml: two"


@pytest.mark.parametrize(
    ("failures", "status"),
    [
        ([], 0),
        ([errors.BrokerUnavailable("")], 3),
        ([errors.BrokerUnavailable(""), errors.AccessDenied("")], 2),
        ([errors.AccessDenied(""), errors.LedgerDamaged(""), errors.BrokerUnavailable("")], 4),
        ([errors.LedgerDamaged(""), TypeError("a bug")], 1),
    ],
)
def test_of_several_errors_the_gravest_decides_the_exit_status(
    failures: list[Exception], status: int
) -> None:
    assert gravest_exit_status(failures, some_unanswered=False) == status


def test_partitions_without_an_answer_are_a_reason_to_run_again_and_hide_nothing_graver() -> None:
    assert gravest_exit_status([], some_unanswered=True) == 3
    assert gravest_exit_status([errors.ConfigError(["no"])], some_unanswered=True) == 2
