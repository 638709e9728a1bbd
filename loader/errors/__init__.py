"""What a load can fail with, sorted by what the caller can do about it.

Every class has an exit status: 1 a bug, 2 fix the command or the config, 3 run again later,
4 a person decides, 5 superseded by another run.

base            the class of all, and which status counts where there are several
fix_first       the command, the config, a right or a schema is wrong
run_again       something did not answer
person_decides  going on would lose or double records
caller_decides  expected answers of a file system; a run that was overtaken; a bug

Choices are exported from here too, next to the errors that offer them.
"""

from loader.errors.base import (
    LoaderError,
    PersonDecides,
    RunAgainLater,
    gravest_exit_status,
)
from loader.errors.caller_decides import (
    CommitSuperseded,
    CoverageGap,
    PathExists,
    PathNotFound,
    UnreadableFile,
)
from loader.errors.fix_first import (
    AccessDenied,
    ConfigError,
    MalformedInput,
    RecordsRefused,
    UnknownTable,
    UnsupportedBroker,
    UnusableSchema,
)
from loader.errors.person_decides import (
    BackfillExpired,
    ClusterChanged,
    CorruptBatch,
    LedgerDamaged,
    LogDiverged,
    LogTruncated,
    OffsetsExpired,
    ReplacedRecordsGone,
    SchemaChanged,
    TooManyBadRecords,
    TopicRecreated,
    TopicVanished,
    UnsupportedMessageFormat,
)
from loader.errors.run_again import (
    BrokerUnavailable,
    CommitOutcomeUnknown,
    FetchStalled,
    MoveOutcomeUnknown,
    PushFailed,
    RegistryUnavailable,
    SchemaNotPlanned,
    SnapshotGone,
    StorageFull,
    StorageUnavailable,
    WorkersLost,
)
from loader.values.choices import (
    ACCEPT_LOSS,
    ALLOW_BAD,
    COMPARE,
    CORRECT_FORMAT,
    LEAVE_OUT,
    LOAD_APART,
    LOAD_LATER,
    RECORD_LOSS,
    RENAME_FIELD,
    REPAIR,
    RUN_AGAIN,
    UNDO_POSITION,
    Choice,
)

__all__ = [
    "ACCEPT_LOSS",
    "ALLOW_BAD",
    "COMPARE",
    "CORRECT_FORMAT",
    "LEAVE_OUT",
    "LOAD_APART",
    "LOAD_LATER",
    "RECORD_LOSS",
    "RENAME_FIELD",
    "REPAIR",
    "RUN_AGAIN",
    "UNDO_POSITION",
    "AccessDenied",
    "BackfillExpired",
    "BrokerUnavailable",
    "Choice",
    "ClusterChanged",
    "CommitOutcomeUnknown",
    "CommitSuperseded",
    "ConfigError",
    "CorruptBatch",
    "CoverageGap",
    "FetchStalled",
    "LedgerDamaged",
    "LoaderError",
    "LogDiverged",
    "LogTruncated",
    "MalformedInput",
    "MoveOutcomeUnknown",
    "OffsetsExpired",
    "PathExists",
    "PathNotFound",
    "PersonDecides",
    "PushFailed",
    "RecordsRefused",
    "RegistryUnavailable",
    "ReplacedRecordsGone",
    "RunAgainLater",
    "SchemaChanged",
    "SchemaNotPlanned",
    "SnapshotGone",
    "StorageFull",
    "StorageUnavailable",
    "TooManyBadRecords",
    "TopicRecreated",
    "TopicVanished",
    "UnknownTable",
    "UnreadableFile",
    "UnsupportedBroker",
    "UnsupportedMessageFormat",
    "UnusableSchema",
    "WorkersLost",
    "gravest_exit_status",
]
