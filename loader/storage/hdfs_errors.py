r"""What hdfs-native raises, read as what the NameNode meant.

It has few classes: FileNotFoundError and FileExistsError for some of the answers, OSError for a broken
connection, and RuntimeError with the text of a Rust value for the rest, as in
`RPCError("org.apache.hadoop.security.AccessControlException", "Permission denied: ...\n\tat ...")`.
Only FileNotFoundError means that a path does not exist: a failed login never does.
"""

import re
from dataclasses import dataclass

from loader.errors import (
    AccessDenied,
    ConfigError,
    LoaderError,
    PathExists,
    PathNotFound,
    StorageFull,
    StorageUnavailable,
)
from loader.storage.deadline import DeadlinePassed

_RPC_ERROR = re.compile(
    r'^RPCError\("(?:[\w.]*[.$])?(?P<exception>\w+)", "(?P<text>(?:[^"\\]|\\.)*)', re.DOTALL
)
_LOGIN = re.compile(
    r"SASLError|GSSAPIError|NoSASLMechanism|InvalidToken|AuthorizationException|SaslException|krb5|kerberos",
    re.IGNORECASE,
)
_CONFIG = re.compile(r"^(InvalidArgument|UrlParseError|XmlParseError|InvalidPath)\b")
_NO_NODE_WROTE = re.compile(r"could only be written to \d+ of the \d+")

_UNFIT = {"InvalidPathException", "PathComponentTooLongException", "MaxDirectoryItemsExceededException"}
_NOT_THE_ACTIVE = {"StandbyException", "RetriableException", "ObserverRetryOnActiveException"}


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed call.

    exception    Java's class without its package, or ours, or "" where no NameNode answered
    text         the first line of the message; Java's stack trace is for its own log
    is_answer    the active NameNode received the call and refused it
    """

    exception: str
    text: str
    is_answer: bool

    @property
    def not_found(self) -> bool:
        """The NameNode looked, and the path is not there."""
        return self.exception == "FileNotFoundException"

    @property
    def exists(self) -> bool:
        """The name is taken."""
        return self.exception == "FileAlreadyExistsException"

    @property
    def is_below_a_file(self) -> bool:
        """A parent of the path is a file. Reading calls get this as an AccessControlException."""
        return "(is not a directory)" in self.text or self.exception == "ParentNotDirectoryException"


def failure_of(error: Exception) -> Failure:
    """Read an exception of hdfs-native, or of a deadline."""
    text = str(error)
    if isinstance(error, FileNotFoundError):
        return Failure("FileNotFoundException", _first_line(text), True)
    if isinstance(error, FileExistsError):
        return Failure("FileAlreadyExistsException", _first_line(text), True)
    found = _RPC_ERROR.match(text)
    if found is None:
        return Failure("", _first_line(text), False)
    exception = found["exception"]
    message = re.sub(r"\\n.*", "", found["text"], flags=re.DOTALL).replace('\\"', '"')
    return Failure(exception, f"{exception}: {message}", exception not in _NOT_THE_ACTIVE)


def error_for(error: Exception, name: str, verb: str, namenode: str) -> LoaderError:
    """The error to raise for a call that failed: it asked `namenode` to `verb` the path `name`."""
    failure = failure_of(error)
    if failure.not_found:
        return PathNotFound(f"{name}: {failure.text if 'not a file' in failure.text else 'does not exist'}")
    if failure.exists:
        return PathExists(f"{name}: exists already, and was left as it is ({failure.text})")
    what = f"{name}: cannot {verb} it"
    if failure.is_below_a_file or failure.exception in _UNFIT:
        return ConfigError(
            [
                f"{what}: {failure.text}. Nothing was changed. Clear the way (a file where a folder must be,"
                " a name that HDFS refuses), or choose another destination."
            ]
        )
    if failure.exception == "AccessControlException":
        return AccessDenied(
            f"{what}: {failure.text}. Nothing was changed. Let this user do it there, or run as another"
            " (HADOOP_USER_NAME, or a Kerberos login)."
        )
    if "QuotaExceeded" in failure.exception or "QuotaByStorageType" in failure.exception:
        return StorageFull(
            f"{what}: {failure.text}. Files that are complete are untouched. Delete something or raise the"
            " quota, then run again."
        )
    if not isinstance(error, DeadlinePassed) and _LOGIN.search(failure.text):
        return AccessDenied(
            f"{what}: the login at {namenode} failed: {failure.text}. Nothing was changed. Get a ticket"
            " (kinit), and see that HADOOP_CONF_DIR is the cluster's."
        )
    if _CONFIG.match(failure.text) or isinstance(error, NotImplementedError):
        return ConfigError(
            [
                f"{what}: {failure.text}. Nothing was asked of HDFS. A name without a port must be a"
                " nameservice in the hdfs-site.xml of HADOOP_CONF_DIR; a NameNode needs its port:"
                " hdfs://host:8020/folder"
            ]
        )
    return StorageUnavailable(
        f"{what}: {_explained(failure)}. Files that are complete are untouched. See that {namenode} is up,"
        " active and reachable from this host, then run again."
    )


def _explained(failure: Failure) -> str:
    if failure.exception == "SafeModeException":
        return f"the NameNode is in safe mode and takes no changes ({failure.text})"
    if failure.exception in _NOT_THE_ACTIVE:
        return f"no active NameNode ({failure.text})"
    if _NO_NODE_WROTE.search(failure.text):
        return f"the DataNodes are full, too busy or stopped ({failure.text})"
    if "RPC listener disconnected" in failure.text:
        return f"{failure.text}: the connection was cut, or refused for want of Kerberos or encryption"
    return failure.text


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
