"""Errors that end until somebody corrects the command, the config, a right or a schema: exit status 2."""

from collections.abc import Sequence

from loader.errors.base import LoaderError


class ConfigError(LoaderError):
    """The command or the config is wrong; nothing was started."""

    exit_status = 2

    def __init__(self, problems: Sequence[str], source: str = "") -> None:
        where = f"{source}: " if source else ""
        super().__init__("\n".join(f"{where}{problem}" for problem in problems))
        self.problems, self.source = tuple(problems), source


class UnknownTable(ConfigError, KeyError):
    """A job has no table of that name."""

    __str__ = Exception.__str__  # a KeyError's own would be the message in quotes


class AccessDenied(LoaderError):
    """Kafka, the file system or the registry refuses this user; config or permissions need a change."""

    exit_status = 2


class UnsupportedBroker(LoaderError):
    """The brokers are too old for what this loader asks of them."""

    exit_status = 2


class UnusableSchema(LoaderError):
    """A schema, of the registry or of a file, that is not there or cannot be understood."""

    exit_status = 2


class MalformedInput(LoaderError):
    """A line or a file that cannot be made records of; what was before it is sent."""

    exit_status = 2


class RecordsRefused(LoaderError):
    """Records that the broker does not take, however often they are sent."""

    exit_status = 2
